"""Reading the log files of workers, Umbel's or Celery's: what became of which task."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

_RECORD: Final = re.compile(r"\[(?P<time>[^\]:]+(?::[^\]:]+)*): (?P<level>[A-Z]+)/(?P<process>[^\]]*)\] (?P<text>.*)", re.DOTALL)
_TASK: Final = re.compile(
    r"Task (?P<name>\S+?)\[(?P<id>[^\]]+)\](?::? )(?P<what>received|succeeded|retry|ignored|rejected|raised expected|raised unexpected|its process ended)"
)
_DISCARDED: Final = re.compile(r"Discarding revoked task: (?P<name>\S+?)\[(?P<id>[^\]]+)\]")
_DEAD: Final = re.compile(r"Message (?P<name>\S+?)\[(?P<id>[^\]]+)\] moved to ")

#: What a line says → how it is counted.
_ENDS: Final = {
    "succeeded": "succeeded",
    "retry": "retried",
    "ignored": "ignored",
    "rejected": "rejected",
    "raised expected": "failed",
    "raised unexpected": "failed",
}
#: Levels of what went wrong.
ERRORS: Final = frozenset({"ERROR", "CRITICAL"})


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log: its first line, and those that continue it."""

    time: str
    level: str
    process: str
    text: str
    #: As it stands in the file.
    raw: str

    @property
    def has_traceback(self) -> bool:
        """True when it shows one."""
        return "Traceback (most recent call last)" in self.raw

    def event(self) -> tuple[str, str, str] | None:
        """Return the task's name, its id and what became of it; ``None`` where it tells of no task."""
        found = _TASK.match(self.text)
        if found is not None:
            return found["name"], found["id"], "received" if found["what"] == "received" else _ENDS.get(found["what"], "lost")
        for pattern, what in ((_DISCARDED, "revoked"), (_DEAD, "dead")):
            if (found := pattern.match(self.text)) is not None:
                return found["name"], found["id"], what
        return None


def records(lines: Iterable[str]) -> Iterator[Record]:
    """Read records; lines before the first one are passed over.

    Args:
        lines: of a log file, in the default format of workers.
    """
    held: list[str] = []
    for line in lines:
        if _RECORD.match(line):
            if held:
                yield _made(held)
            held = [line]
        elif held:
            held.append(line)
    if held:
        yield _made(held)


def _made(lines: list[str]) -> Record:
    raw = "".join(lines).rstrip("\n")
    found = _RECORD.match(raw)
    assert found is not None
    return Record(found["time"], found["level"], found["process"], found["text"], raw)


@dataclass(slots=True)
class Figures:
    """The counts of one or more logs."""

    #: By what became of them.
    events: Counter[str] = field(default_factory=Counter)
    #: Received, by the task's name.
    tasks: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    tracebacks: int = 0
    #: Ids that were received and have not ended → the task's name.
    open: dict[str, str] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count a ``record``."""
        self.levels[record.level] += 1
        self.tracebacks += record.has_traceback
        event = record.event()
        if event is None:
            return
        name, task_id, what = event
        self.events[what] += 1
        if what == "received":
            self.tasks[name] += 1
            self.open[task_id] = name
        elif what != "lost":
            self.open.pop(task_id, None)
