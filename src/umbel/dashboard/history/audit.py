"""`Audit`: who did what, kept a year."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from umbel.dashboard.history.database import Database
from umbel.runtime.clock import SYSTEM, Clock

logger: logging.Logger = logging.getLogger("umbel.dashboard")


class Audit:
    """The log of actions.

    Args:
        database: in which it is kept.
        clock: tells the time.
    """

    def __init__(self, database: Database, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._clock = clock

    def note(self, user: str, address: str, action: str, subject: str, detail: Mapping[str, Any], outcome: str) -> None:
        """Keep that somebody did something, or tried to; it is logged, too.

        Args:
            user: name of whoever did it.
            address: from which the request came.
            action: name of it.
            subject: the task, queue, worker or entry.
            detail: arguments; no secrets.
            outcome: in words.
        """
        text = json.dumps(dict(detail), ensure_ascii=False, default=repr)[:2_000]
        logger.info("%s (%s): %s %s: %s", user, address, action, subject, outcome)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO audit (at, user, address, action, subject, detail, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._clock.now(), user[:200], address[:100], action, subject[:500], text, outcome[:1_000]),
            )

    def latest(self, limit: int = 200) -> list[dict[str, Any]]:
        """List actions, the latest first.

        Args:
            limit: how many at most.
        """
        return [dict(row) for row in self._database.rows("SELECT * FROM audit ORDER BY number DESC LIMIT ?", [limit])]
