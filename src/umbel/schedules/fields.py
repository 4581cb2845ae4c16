"""The fields of a crontab: ``*``, ``*/5``, ``1-5``, ``22-3/2``, ``mon-fri``, ``1,15``, a number, or any of Python's collections of numbers.

A range may wrap (``22-3`` is 22, 23, 0, 1, 2, 3), and a step counts from its beginning: all as in Celery. What Celery lets pass by accident (a month's name among the
weekdays, ``1-5-7``) is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from umbel.errors import ImproperlyConfigured

_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_PART: Final = re.compile(r"(?:(?P<star>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)


class ParseException(ImproperlyConfigured, ValueError):
    """A crontab cannot be understood."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a crontab."""

    #: Celery's name.
    name: str
    least: int
    most: int
    #: Names of its values, in order; they may be cut to three letters.
    names: tuple[str, ...] = ()

    def take(self, given: Any) -> tuple[Any, frozenset[int]]:
        """Return what was given, in a form that can be read again, and the numbers that it means.

        Args:
            given: as `parse` takes it, or an iterator.

        Raises:
            ParseException: see `parse`.
        """
        kept = tuple(given) if isinstance(given, Iterator) else given
        return kept, self.parse(kept)

    def parse(self, given: Any) -> frozenset[int]:
        """Find the numbers that a field means.

        Args:
            given: text, a number, or several numbers.

        Raises:
            ParseException: it is none of these, or out of range; says which part, and what was expected.
        """
        if isinstance(given, bool) or given is None:
            raise self._wrong(given)
        if isinstance(given, int):
            return frozenset({self._within(given, given)})
        if isinstance(given, str):
            return _numbers(self, given)
        if not isinstance(given, Iterable):
            raise self._wrong(given)
        numbers = list(given)
        if not numbers:
            raise ParseException(f"crontab: {self.name} is empty: expected at least one number")
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int):
                raise self._wrong(given)
        return frozenset(self._within(number, given) for number in numbers)

    def _part(self, part: str, given: str) -> list[int]:
        found = _PART.fullmatch(part)
        if found is None:
            raise self._wrong(given)
        if found["star"]:
            numbers = list(range(self.least, self.most + 1))
        else:
            first = self._number(found["first"], given)
            numbers = [first] if found["last"] is None else self._range(first, self._number(found["last"], given, ends=True))
            if found["last"] is None and found["step"] is not None:
                raise ParseException(
                    f"crontab: {self.name} is {given!r}: a step needs a range, as in {found['first']}-{self.most}/{found['step']}"
                )
        step = int(found["step"] or 1)
        if step == 0:
            raise ParseException(f"crontab: {self.name} is {given!r}: a step of 0 leads nowhere")
        return numbers[::step]

    def _range(self, first: int, last: int) -> list[int]:
        if first <= last:
            return [number % 7 if self.names is _DAYS else number for number in range(first, last + 1)]
        return [*range(first, self.most + 1), *range(self.least, last + 1)]

    def _number(self, word: str, given: str, *, ends: bool = False) -> int:
        """Read a number or a name; ``ends`` a range, where Sunday may be 7 and stay so."""
        if word.isdigit():
            return self._within(int(word), given, ends=ends)
        low = word.lower()
        for place, name in enumerate(self.names):
            if low in (name, name[:3]):
                return place + self.least
        raise self._wrong(given)

    def _within(self, number: int, given: Any, *, ends: bool = False) -> int:
        if self.names is _DAYS and number == 7:
            return 7 if ends else 0
        if not self.least <= number <= self.most:
            raise ParseException(f"crontab: {self.name} is {given!r}: {number} is not from {self.least} to {self.most}")
        return number

    def _wrong(self, given: Any) -> ParseException:
        names = f", or a name such as {self.names[1][:3]}" if self.names else ""
        return ParseException(
            f"crontab: {self.name} is {given!r}: expected *, */5, a number from {self.least} to {self.most}, "
            f"a range such as 1-5 or 1-5/2, several with commas between them{names}"
        )

    def is_all(self, numbers: frozenset[int]) -> bool:
        """Report whether these are all that the field can be.

        Args:
            numbers: as parsed.
        """
        return len(numbers) == self.most - self.least + 1


@functools.lru_cache(maxsize=4096)
def _numbers(field: Field, given: str) -> frozenset[int]:
    """Find the numbers that a text means; of thousands of crontabs most say the same."""
    return frozenset(number for part in given.split(",") for number in field._part(part.strip(), given))  # noqa: SLF001


MINUTE: Final = Field("minute", 0, 59)
HOUR: Final = Field("hour", 0, 23)
DAY_OF_MONTH: Final = Field("day_of_month", 1, 31)
MONTH_OF_YEAR: Final = Field("month_of_year", 1, 12, _MONTHS)
DAY_OF_WEEK: Final = Field("day_of_week", 0, 6, _DAYS)


def text_of(given: Any) -> str:
    """Write a field as text that means the same.

    Args:
        given: as `Field.parse` takes it.
    """
    if isinstance(given, (str, int)):
        return "".join(str(given).split())
    return ",".join(str(number) for number in sorted(given))


class crontab_parser:  # noqa: N801 - Celery's name
    """Parser of one field of numbers.

    Args:
        max_: how many values there are.
        min_: the least of them.
    """

    ParseException = ParseException

    def __init__(self, max_: int = 60, min_: int = 0) -> None:
        self.max_ = max_
        self.min_ = min_
        names = _MONTHS if (min_, max_) == (1, 12) else _DAYS if (min_, max_) == (0, 7) else ()
        self._field = Field("the field", min_, min_ + max_ - 1, names)

    def parse(self, spec: str) -> set[int]:
        """Find the numbers that a field means.

        Args:
            spec: its text.

        Raises:
            ParseException: it cannot be understood.
        """
        return set(self._field.parse(spec))
