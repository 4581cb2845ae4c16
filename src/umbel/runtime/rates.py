"""Rates, as settings and options write them: ``"100/m"``."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/([smh]))?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def rate(limit: Any) -> float | None:
    """A rate limit as a number for a second.

    Args:
        limit: a number for a second, ``"10/s"``, ``"100/m"``, ``"3/h"``; ``None``, ``""`` and 0 are no limit.

    Returns:
        ``None`` when there is no limit.

    Raises:
        ValueError: it is nothing of that kind.
    """
    if limit is None or limit == "":
        return None
    if isinstance(limit, (int, float)) and not isinstance(limit, bool) and 0 <= limit < math.inf:
        return float(limit) or None
    found = _RATE.fullmatch(limit.replace(" ", "")) if isinstance(limit, str) else None
    if found is None:
        raise ValueError(f"must be a rate such as 10, '10/s', '100/m' or '5/h', got {limit!r}")
    return float(found[1]) / _SECONDS[found[2] or "s"] or None
