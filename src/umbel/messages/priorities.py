"""One meaning for priorities at brokers of which some serve the higher number first, and some the lower (``priority_order``). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: The highest priority that all brokers tell from the next lower one.
HIGHEST: Final = 9


def mirrored(priority: int) -> int:
    """Turn a ``priority`` round: 0 becomes 9, 9 becomes 0. More than 9 counts as 9. What is turned round twice is itself again."""
    return HIGHEST - min(max(priority, 0), HIGHEST)


def with_mirrored(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the ``properties`` of a message, with the priority turned round."""
    priority = properties.get("priority")
    return {**properties, "priority": mirrored(priority if isinstance(priority, int) else 0)}
