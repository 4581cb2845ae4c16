"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Iterator


def delays(first: float = 0.1, factor: float = 2.0, most: float = 10.0, jitter: float = 0.5) -> Iterator[float]:
    """Endless delays in seconds: growing by ``factor`` up to ``most``, each shortened at random by up to the share ``jitter``.

    The jitter keeps a fleet that lost its broker at one moment from coming back at one moment.
    """
    delay = first
    while True:
        yield delay * (1.0 - jitter * random.random())  # noqa: S311 - not for secrets
        delay = min(most, delay * factor)
