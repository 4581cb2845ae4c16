"""Settings on the command line: ``umbel worker -- worker_prefetch_multiplier=4 task.acks_late=false``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import click

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


def _bool(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(text)


_KINDS: Final[Mapping[str, Callable[[str], Any]]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": _bool,
    "list": lambda text: [part.strip() for part in text.split(",") if part.strip()],
    "dict": json.loads,
    "json": json.loads,
}


def parse_overrides(items: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts as settings.

    A dot in a key is an underscore (``worker.prefetch_multiplier``). A value may name its kind, ``(int)10``; otherwise numbers, true, false and none are
    taken as such and anything else is text.

    Raises:
        click.UsageError: an item is not of this form.
    """
    found = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key.replace(".", "_").isidentifier():
            raise click.UsageError(f"{item!r} is not a setting: after -- write SETTING=VALUE, e.g. worker_prefetch_multiplier=4")
        found[key.replace(".", "_")] = _value(key, value)
    return found


def _value(key: str, text: str) -> Any:
    if text.startswith("(") and ")" in text:
        kind, _, rest = text[1:].partition(")")
        if kind in _KINDS:
            try:
                return _KINDS[kind](rest)
            except ValueError as error:
                raise click.UsageError(f"{key}: {rest!r} is not of kind {kind}") from error
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("none", "null"):
        return None
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
