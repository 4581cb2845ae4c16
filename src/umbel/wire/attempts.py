"""The count of attempts in a message. Like all of a message, it is not to be trusted."""

from __future__ import annotations

from typing import Final

#: Header: how often a worker or child has died while it ran this message.
ATTEMPTS: Final = "x-umbel-attempts"
#: More than any limit, and far from what a broker's integers hold.
MOST: Final = 1_000_000


def attempts_in(value: object) -> int:
    """Read the count from a header's ``value``.

    Only a whole number from 0 counts, up to `MOST`: a negative one would let a task kill workers for ever.
    """
    return min(value, MOST) if type(value) is int and value > 0 else 0
