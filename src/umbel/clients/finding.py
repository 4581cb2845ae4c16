"""`Finding`: one thing that was looked at, how it stands, and what to do about it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Level(enum.IntEnum):
    """The weight of a finding."""

    OK = 0
    #: Works, and will hurt one day.
    WARNING = 1
    #: Does not work, or loses something.
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    #: What it is about: ``broker``, ``result store``, …
    subject: str
    level: Level
    text: str
    #: What to do; empty where nothing is to be done.
    advice: str = ""


@runtime_checkable
class HasCheckup(Protocol):
    """A broker or store that can look its server over. Not every one can."""

    def checkup(self, subject: str) -> Iterable[Finding]:
        """Look the server over, blocking.

        Args:
            subject: of the findings.

        Raises:
            OperationalError: it cannot be reached.
        """


def judge(subject: str) -> tuple[Callable[[str], Finding], Callable[[str, str], Finding], Callable[[str, str], Finding]]:
    """Make the three functions that make the findings of one subject: good, warning, error.

    Args:
        subject: of all of them.
    """

    def good(text: str) -> Finding:
        return Finding(subject, Level.OK, text)

    def warning(text: str, advice: str) -> Finding:
        return Finding(subject, Level.WARNING, text, advice)

    def error(text: str, advice: str) -> Finding:
        return Finding(subject, Level.ERROR, text, advice)

    return good, warning, error
