"""How often a message says that it was begun in vain. It comes from the message, that is from anybody."""

from __future__ import annotations

from typing import Final

#: Header: how often a worker or child has died while it ran this message.
ATTEMPTS: Final = "x-umbel-attempts"
#: More than any limit, and far from what a broker's integers hold.
MOST: Final = 1_000_000


def attempts_in(value: object) -> int:
    """The count in a header: nothing but a whole number from 0, and none above `MOST`. A negative one would let a task kill workers for ever."""
    return min(value, MOST) if type(value) is int and value > 0 else 0
