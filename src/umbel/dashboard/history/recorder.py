"""`Recorder`: learns from events, and writes what changed into the history, many tasks in one transaction. One thread calls it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

from umbel.dashboard.history.database import Database
from umbel.dashboard.history.rollups import STEPS, Figures
from umbel.events.parsing import is_time
from umbel.events.state import State
from umbel.events.task_state import Task
from umbel.runtime.clock import SYSTEM, Clock

#: Columns of a run that are attributes of a task, but for those whose names differ.
PLAIN: Final = (
    "name", "state", "queue", "args", "kwargs", "result", "exception", "traceback", "client", "root_id", "parent_id", "eta", "expires",
    "retries", "runtime", "sent", "received", "started",
)  # fmt: skip
_COLUMNS: Final = ("id", "worker", *PLAIN, "ended", "first", "changed")
_KEPT: Final = {"id", "first"}
#: What is known stays known where an event of an old task, whose row was not at hand, tells less. A state and its time are always new.
#: A retry is sent again: it was sent first when it was sent first.
_SPECIAL: Final = {
    "state": "excluded.state",
    "changed": "excluded.changed",
    "sent": "coalesce(min(sent, excluded.sent), sent, excluded.sent)",
}
_UPDATES: Final = ", ".join(
    f"{name} = {_SPECIAL.get(name, f'coalesce(excluded.{name}, {name})')}" for name in _COLUMNS if name not in _KEPT
)
_UPSERT: Final = (
    f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (id) DO UPDATE SET {_UPDATES} RETURNING number"
)
#: Kinds of events of tasks that may be left out when there are too many.
_USUAL: Final = frozenset({"sent", "received", "started", "succeeded"})
#: Kinds of events that become attempts of their own.
_BETWEEN: Final = frozenset({"retried", "rejected"})
#: Names of states after which a task has ended, as columns: the latest is its end.
_ENDS: Final = ("succeeded", "failed", "revoked", "rejected")
#: Characters of the words of one run.
_WORDS: Final = 1_000
#: Ids that one query asks for.
_MANY: Final = 500
#: Moments of the attempts of one task that are kept: a task that is retried for ever must not fill the disk.
_ATTEMPTS: Final = 300


class Recorder:
    """Keeps the history.

    Args:
        database: of it.
        state: the cluster as its events tell.
        clock: tells the time.
    """

    def __init__(self, database: Database, state: State, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._state = state
        self._clock = clock
        self._figures = Figures()
        self._changed: dict[str, Task] = {}
        self._attempts: list[tuple[Any, ...]] = []
        self._gauges: list[tuple[int, float, float, float]] = []
        #: One of so many tasks that succeed is kept; all are counted, and all that fail or are retried are kept.
        self.sample = 1

    @property
    def pending(self) -> int:
        """Tasks that have changed and are not written yet."""
        return len(self._changed)

    def known(self, ids: list[str]) -> None:
        """Remind the state of tasks that it does not know (any more), before events of them are learnt.

        Args:
            ids: of tasks.
        """
        missing = [each for each in dict.fromkeys(ids) if each not in self._state.tasks]
        for start in range(0, len(missing), _MANY):
            part = missing[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            for row in self._database.rows(f"SELECT * FROM runs WHERE id IN ({marks})", part):
                self._remind(row)

    def _remind(self, row: sqlite3.Row) -> None:
        task, created = self._state.get_or_create_task(row["id"])
        if not created:
            return
        task.recall({name: row[name] for name in PLAIN if row[name] is not None}, row["changed"])
        if row["worker"]:
            task.worker = self._state.get_or_create_worker(row["worker"])[0]

    def learn(self, event: Mapping[str, Any]) -> Task | None:
        """Learn from an event of a task, which is returned, if there is one.

        Args:
            event: that the state has learnt already.
        """
        kind, uuid = event["type"].partition("-")[2], event.get("uuid")
        task = self._state.tasks.get(uuid) if isinstance(uuid, str) else None
        if task is None or task.uuid is None:
            return None
        if self.sample == 1 or kind not in _USUAL or crc32(task.uuid.encode("utf-8", "replace")) % self.sample == 0:
            self._changed[task.uuid] = task
        when = event.get("timestamp")
        at = when if is_time(when) else self._clock.now()
        self._figures.count(kind, task.name, at, task.runtime)
        if kind in _BETWEEN:
            worker = task.worker.hostname if task.worker is not None else None
            # The task remembers the moments of its last attempt only.
            before = [(name, getattr(task, name)) for name in ("received", "started")]
            self._attempts += [(task.uuid, moment, name, worker, None, None) for name, moment in before if moment and moment <= at]
            self._attempts.append((task.uuid, at, kind, worker, task.exception, task.traceback))
        return task

    def gauge(self, active: float, slots: float, ready: float) -> None:
        """Note how busy the fleet is.

        Args:
            active: tasks that run.
            slots: that could run at once.
            ready: messages that wait.
        """
        self._gauges.append((int(self._clock.now()), active, slots, ready))

    def write(self) -> int:
        """Write what has changed; returns how many tasks.

        Raises:
            OperationalError: the file cannot be written; what was to be written is lost.
        """
        changed, self._changed = self._changed, {}
        attempts, self._attempts = self._attempts, []
        gauges, self._gauges = self._gauges, []
        with self._database.writing() as connection:
            for task in changed.values():
                number = connection.execute(_UPSERT, self._row(task)).fetchone()[0]
                connection.execute("INSERT OR REPLACE INTO words (rowid, text) VALUES (?, ?)", (number, words_of(task)))
            connection.executemany(
                f"INSERT INTO attempts SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT count(*) FROM attempts WHERE id = ?1) < {_ATTEMPTS}",
                attempts,
            )
            for when, *values in gauges:
                for step in STEPS:
                    connection.execute(_GAUGE, (step, when // step * step, *values))
            self._figures.write(connection)
        return len(changed)

    def _row(self, task: Task) -> tuple[Any, ...]:
        moments = [moment for moment in (task.sent, task.received, task.started, task.timestamp) if moment]
        ended = max((getattr(task, name) or 0.0 for name in _ENDS), default=0.0) if task.ready or task.state == "REJECTED" else None
        worker = task.worker.hostname if task.worker is not None else None
        values = [getattr(task, name) for name in PLAIN]
        changed = task.timestamp or self._clock.now()
        return (task.uuid, worker, *values, ended or None, min(moments, default=changed), changed)

    def trim(self, keep: float, most: int) -> int:
        """Drop what is too old or too much, a part with each call; returns how many runs.

        Args:
            keep: seconds that runs are kept.
            most: runs that are kept.

        Raises:
            OperationalError: the file cannot be written.
        """
        now = self._clock.now()
        total = self._database.rows("SELECT coalesce(sum(count), 0) FROM tally")[0][0]
        surplus = max(0, total - most)
        with self._database.writing() as connection:
            old = connection.execute("SELECT number, id FROM runs WHERE first < ? ORDER BY first LIMIT 5000", (now - keep,)).fetchall()
            if surplus > len(old):
                old = connection.execute("SELECT number, id FROM runs ORDER BY first LIMIT ?", (min(surplus, 5000),)).fetchall()
            for table, column, place in (("words", "rowid", 0), ("attempts", "id", 1), ("runs", "number", 0)):
                connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(row[place],) for row in old])
            connection.execute("DELETE FROM tally WHERE count <= 0")
            for step, seconds in STEPS.items():
                for table in ("rollups", "gauges"):
                    connection.execute(f"DELETE FROM {table} WHERE step = ? AND slot < ?", (step, now - seconds - step))
            connection.execute("DELETE FROM audit WHERE at < ?", (now - 365 * 86_400,))
        return len(old)


_GAUGE: Final = (
    "INSERT INTO gauges (step, slot, samples, active, slots, ready) VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "samples = samples + 1, active = active + excluded.active, slots = slots + excluded.slots, ready = ready + excluded.ready"
)


def words_of(task: Task) -> str:
    """Put together what a search for words looks at.

    Args:
        task: as its events tell of it.
    """
    parts = (task.name, task.args, task.kwargs, task.exception, task.result)
    return " ".join(part[: _WORDS // 4] for part in parts if part and part not in {"()", "{}", "None"})[:_WORDS]
