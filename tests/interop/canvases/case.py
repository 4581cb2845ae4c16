"""One canvas: how it is sent, and whether its calls have an order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A canvas.

    Args:
        send: makes it with a kit and sends it; returns its result.
        ordered: its calls come in one order only; otherwise they are compared as a set with counts.
        alike: labels of tasks of which any may be the parent, or the root, of another one: whichever member of a header ended last.
        asks: its result is asked for all that results can tell.
    """

    send: Callable[[Any], Any]
    ordered: bool = False
    alike: tuple[str, ...] = ()
    asks: bool = False


def sent(make, *args, **options):
    """A canvas that is sent with these arguments and options."""
    return lambda k: make(k).apply_async(args, **options)
