"""Growing delays between attempts."""

from __future__ import annotations

import random
from collections.abc import Iterator

#: Not the module's own numbers, which tasks may have seeded: each attempt to publish draws one.
_dice = random.SystemRandom()


def delays(first: float = 0.1, factor: float = 2.0, most: float = 10.0, jitter: float = 0.5) -> Iterator[float]:
    """Yield delays in seconds without end, each longer than the one before.

    The jitter keeps a fleet that lost its broker at one moment from coming back at one moment.

    Args:
        first: seconds of the first one.
        factor: each is so many times the one before.
        most: seconds of the longest one.
        jitter: the share, 0 to 1, by which each is shortened at random at the most.
    """
    delay = first
    while True:
        yield delay * (1.0 - jitter * _dice.random())
        delay = min(most, delay * factor)
