"""Keys from arguments: ``"tenant:{0}"``, ``"{user_id}"``, a function, or the arguments as a whole. Pure.

A template looks things up and does nothing else: no attributes, no formats, no conversions, so that neither a value of somebody else's nor its class can do anything.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import inspect
import json
import re
import string
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from umbel.messages.task_keys import bounded, digest

_FIELD: Final = re.compile(r"(\d+|[^\W\d]\w*)((?:\[[^\[\]{}]+\])*)")
_LOOKUP: Final = re.compile(r"\[([^\[\]]+)\]")
_FORM: Final = "a text such as 'tenant:{0}' or '{user_id}', whose fields are numbers or names of arguments, with items as in {order[id]}"


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field of a template.

    Args:
        first: place or name of an argument.
        items: looked up in it, one in the other.
    """

    first: str
    items: tuple[str, ...]

    def __str__(self) -> str:
        return "{" + self.first + "".join(f"[{item}]" for item in self.items) + "}"


class KeyTemplate:
    """A key with fields for arguments.

    Args:
        text: the template.

    Raises:
        ValueError: it is none; the text says what was expected.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[str | Field] = []
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}; expected {_FORM}") from None
        for literal, field, form, conversion in parsed:
            if literal:
                self._parts.append(literal)
            if field is None:
                continue
            found = _FIELD.fullmatch(field)
            if found is None or form or conversion:
                raise ValueError(
                    f"{text!r} has the field {{{field}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}}}: expected {_FORM}"
                )
            if self._parts and isinstance(self._parts[-1], Field):
                raise ValueError(f"{text!r} has two fields with nothing between them: 1 and 23 would be the same key as 12 and 3")
            self._parts.append(Field(found[1], tuple(_LOOKUP.findall(found[2]))))
        several = sum(isinstance(part, Field) for part in self._parts) > 1
        #: Characters that are written in another way in a value: two values must not run into each other.
        self._between = frozenset("%".join(part for part in self._parts if isinstance(part, str)) + "%") if several else frozenset()

    def __repr__(self) -> str:
        return f"KeyTemplate({self.text!r})"

    @property
    def fields(self) -> list[Field]:
        """Its fields."""
        return [part for part in self._parts if isinstance(part, Field)]

    def fill(self, arguments: Arguments) -> str:
        """Make the key of a call.

        Args:
            arguments: of the call.

        Raises:
            ValueError: there is no such argument or item, or it cannot be part of a key.
        """
        return "".join(part if isinstance(part, str) else self._value(part, arguments) for part in self._parts)

    def _value(self, field: Field, arguments: Arguments) -> str:
        try:
            value = arguments.find(field.first)
            for item in field.items:
                value = _item(value, item)
        except LookupError:
            raise ValueError(f"the key {self.text!r} has the field {field}, and the call has no such argument or item") from None
        if isinstance(value, (dict, list, tuple, set, frozenset)) or _has_no_text(value):
            raise ValueError(f"the key {self.text!r}: {field} is a {type(value).__name__}, and cannot be part of a key; name an item of it")
        text = str(value)
        return "".join(f"%{ord(each):02X}" if each in self._between else each for each in text) if self._between else text


def _item(value: Any, item: str) -> Any:
    """Look an item up in plain data, and in nothing that could do anything."""
    if type(value) is dict:
        return value[item] if item in value else value[int(item)] if item.isdecimal() else value[item]
    if type(value) in (list, tuple) and item.isdecimal():
        return value[int(item)]
    raise LookupError(item)


def _has_no_text(value: Any) -> bool:
    """Report whether a value's text would only say where it is in memory."""
    return all(getattr(type(value), name) is getattr(object, name) for name in ("__str__", "__repr__"))


class Arguments:
    """The arguments of one call, by place and by name.

    Args:
        args: positional arguments.
        kwargs: keyword arguments.
        signature: of the task's function, where it is known: then an argument is found by either, and has its default.
    """

    def __init__(self, args: Sequence[Any], kwargs: Mapping[str, Any], signature: inspect.Signature | None) -> None:
        self._ordered: Sequence[Any] = args
        self.named: Mapping[str, Any] = kwargs
        if signature is not None:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            rest = next((name for name, each in signature.parameters.items() if each.kind is each.VAR_KEYWORD), None)
            self.named = {**bound.arguments, **(bound.arguments[rest] if rest else {})}
            if rest:
                del self.named[rest]
            self._ordered = bound.args

    def find(self, field: str) -> Any:
        """Find an argument.

        Args:
            field: its place, from 0, or its name.

        Raises:
            LookupError: there is none.
        """
        return self._ordered[int(field)] if field.isdecimal() else self.named[field]


def key_option(name: str, key: Any) -> KeyTemplate | Callable[..., Any] | None:
    """Read an option that says how a key is made; ``None`` for the arguments as a whole.

    Args:
        name: of the option.
        key: its value.

    Raises:
        TypeError: it is neither a text nor a function, nor True.
        ValueError: it is no template.
    """
    if key is None or key is True:
        return None
    if isinstance(key, str) and key:
        return _template(key)
    if callable(key):
        found: Callable[..., Any] = key
        return found
    raise TypeError(
        f"{name} must be a text such as 'tenant:{{0}}', a function of the arguments, or True for all of them, got {key!r}"[:200]
    )


_template: Final = functools.lru_cache(maxsize=256)(KeyTemplate)


def check_fields(template: KeyTemplate, signature: inspect.Signature | None) -> None:
    """See whether a function has the arguments that a template names.

    Args:
        template: of a key.
        signature: of the function; ``None`` where it is not known.

    Raises:
        ValueError: it has not.
    """
    if signature is None:
        return
    every = list(signature.parameters.values())
    kinds = {each.kind for each in every}
    places = [each for each in every if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    for field in template.fields:
        if field.first.isdecimal():
            is_there = int(field.first) < len(places) or inspect.Parameter.VAR_POSITIONAL in kinds
        else:
            is_there = field.first in signature.parameters or inspect.Parameter.VAR_KEYWORD in kinds
        if not is_there:
            raise ValueError(f"the key {template.text!r} has the field {field}, and the task takes {signature}")


def key_of(
    key: KeyTemplate | Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any], signature: inspect.Signature | None
) -> str | None:
    """Make the key of a call, short enough to travel; ``None`` where a function says that it has none.

    Args:
        key: a template; a function of the call's arguments; ``None`` takes the arguments as a whole.
        args: positional arguments.
        kwargs: keyword arguments.
        signature: of the task's function, where it is known.

    Raises:
        TypeError: a function returned no text, or an argument cannot be compared.
        ValueError: a field of a template is not among the arguments.
    """
    if isinstance(key, KeyTemplate):
        return bounded(key.fill(Arguments(args, kwargs, signature)) or " ")
    if key is not None:
        text = key(*args, **kwargs)
        if text is None:
            return None
        if not isinstance(text, str) or not text:
            raise TypeError(f"the function of a key must return a text that is not empty, or None for no key: it returned {text!r}"[:200])
        return bounded(text)
    named = Arguments(args, kwargs, signature).named
    try:
        return digest(json.dumps([list(args) if signature is None else [], named], sort_keys=True, default=_plain, allow_nan=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"the arguments cannot be compared with those of other calls ({error}): name those that count, as in unique_key='{{0}}'"
        ) from None


def _plain(value: Any) -> Any:
    """Make a plain value of one that JSON does not know, the same for equal ones."""
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return [type(value).__name__, value.isoformat()]
    if isinstance(value, (decimal.Decimal, uuid.UUID, PurePath, dt.timedelta)):
        return [type(value).__name__, str(value)]
    if isinstance(value, enum.Enum):
        return [type(value).__name__, value.name]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["bytes", bytes(value).hex()]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(json.dumps(each, sort_keys=True, default=_plain) for each in value)]
    raise TypeError(f"a {type(value).__name__} has no text of its own")
