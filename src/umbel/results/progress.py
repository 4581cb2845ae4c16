"""`Progress`: how far a running task says it is (`Task.progress`, or a state of one's own with ``current`` and ``total``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from umbel import states
from umbel.results.model import Record

#: The state in which progress is stored, by custom.
PROGRESS: Final = "PROGRESS"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a task.

    Args:
        current: items that are done.
        total: items in all; ``None`` where that is not known.
    """

    current: float
    total: float | None = None

    @property
    def fraction(self) -> float | None:
        """The part that is done, 0.0 to 1.0; ``None`` where the total is not known."""
        if self.total is None:
            return None
        return min(1.0, max(0.0, self.current / self.total)) if self.total > 0 else 1.0

    def to_meta(self) -> dict[str, float | None]:
        """Render what is stored: ``{"current", "total"}``."""
        return {"current": self.current, "total": self.total}


def progress_of(record: Record | None) -> Progress | None:
    """Read the progress in a record; ``None`` where there is none, and when the task has ended.

    Args:
        record: of any state; that of another state than ``PROGRESS`` counts, too, if it has a number ``current``.
    """
    if record is None or record.status in states.ALL_STATES or not isinstance(record.result, Mapping):
        return None
    current, total = _number(record.result.get("current")), _number(record.result.get("total"))
    return None if current is None else Progress(current, total)


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
