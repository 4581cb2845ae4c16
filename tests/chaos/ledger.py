"""What was meant, what happened, and the one function that compares the two.

A ledger is a text file with one JSON object a line, each appended by one ``write`` to a file opened with ``O_APPEND``: safe for any number of
processes, and on storage that no fault touches. Kinds of entries:

- ``intent``: a producer is about to publish ``id``; ``outcome``: how that went, ``ok``, ``fail`` or ``unknown`` (it may or may not be there);
- ``start`` and ``end``: one execution of ``id`` by ``pid``;
- ``fault``: something was done to the system, ``name`` says what. Faults whose name begins with ``kill`` may carry the ``pids`` that died, and in
  ``held`` the ids that the dead worker had received.

`audit` is pure: entries and observations in, `Report` out.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Entry = dict[str, Any]
T = TypeVar("T")


class Journal:
    """Appends entries. Rings a bell (a datagram to ``<path>.bell``) so that a `Watch` need not poll."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.setblocking(False)

    def write(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"kind": kind, "t": time.time(), **fields}, separators=(",", ":")).encode() + b"\n"
        os.write(self._file, line)
        with contextlib.suppress(OSError):
            self._bell.sendto(b"", self.path + ".bell")

    def close(self) -> None:
        os.close(self._file)
        self._bell.close()


def read(path: str | os.PathLike[str]) -> list[Entry]:
    """All entries of a ledger; a torn last line is an error, because single appends are not torn by a kill."""
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


class Watch:
    """Follows a ledger as it grows, woken by the writers."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.entries: list[Entry] = []
        self._offset = 0
        self._lock = threading.Lock()
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.bind(self.path + ".bell")

    def update(self) -> list[Entry]:
        with self._lock:
            try:
                with Path(self.path).open("rb") as file:
                    file.seek(self._offset)
                    data = file.read()
            except FileNotFoundError:
                return self.entries
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            self.entries.extend(json.loads(line) for line in whole.splitlines())
            return self.entries

    def wait(self, condition: Callable[[list[Entry]], T], timeout: float, what: str = "") -> T:
        """Return the first true value of ``condition(entries)``.

        Raises:
            AssertionError: it did not come true; shows the last entries.
        """
        deadline = time.monotonic() + timeout
        while True:
            if found := condition(self.update()):
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not seen within {timeout} s: {what or condition}; last entries: {self.entries[-5:]}")
            self._bell.settimeout(min(left, 1.0))
            with contextlib.suppress(TimeoutError):
                self._bell.recv(1)

    def close(self) -> None:
        self._bell.close()
        Path(self.path + ".bell").unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One run of one task; ``end`` is ``None`` when it was cut short."""

    id: str
    start: float
    end: float | None
    pid: int
    redelivered: bool


@dataclass(frozen=True, kw_only=True)
class Report:
    """The verdict on one run."""

    accepted: int
    unknown: int
    refused: int
    executed: int
    #: Accepted, yet neither executed to the end nor dead-lettered.
    lost: tuple[str, ...]
    #: Executed, though nobody published it.
    phantom: tuple[str, ...]
    #: Executions beyond the first, over all ids.
    duplicates: int
    duplicated: Mapping[str, int]
    #: Of the duplicates, those whose earlier run had finished: it was not acknowledged yet.
    repeated: int
    #: Ids of which two executions overlapped in time.
    concurrent: tuple[str, ...]
    #: Duplicate executions that the broker did not mark as redelivered.
    unmarked: int
    #: What is left at rest where nothing should be, by place.
    stuck: Mapping[str, int]
    #: Ids whose stored state is not terminal.
    unsettled: tuple[str, ...]
    #: Seconds from a fault to the next start of each task that it cut short.
    recoveries: tuple[float, ...]
    #: Seconds from each fault that cut something short to the first re-execution of any of it.
    first_recoveries: tuple[float, ...]
    #: Growth over the state before the run, by name (descriptors, threads, zombies, bytes).
    leaks: Mapping[str, float]
    faults: Mapping[str, int] = field(default_factory=dict)

    def recovery(self, share: float) -> float:
        """A quantile of `recoveries`, seconds; 0 when nothing was cut short."""
        return quantile(self.recoveries, share)

    def lines(self) -> list[str]:
        """The report as it is printed."""
        bound = f"(95 %: below {3 / self.accepted:.1e})" if self.accepted and not self.lost else ""
        return [
            f"accepted {self.accepted}   unknown {self.unknown}   refused {self.refused}   executed {self.executed}",
            f"lost {len(self.lost)} {bound}   phantom {len(self.phantom)}   duplicates {self.duplicates} (of finished ones {self.repeated})   concurrent {len(self.concurrent)}   unmarked {self.unmarked}",
            f"stuck {dict(self.stuck) or 0}   unsettled {len(self.unsettled)}   leaks {dict(self.leaks) or 0}   faults {dict(self.faults)}",
            f"recovery of {len(self.recoveries)} cut short: p50 {self.recovery(0.5):.2f} s, p99 {self.recovery(0.99):.2f} s, slowest first of a fault {max(self.first_recoveries, default=0.0):.2f} s",
        ]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie (nearest rank); 0 when there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def executions(entries: Iterable[Entry]) -> dict[str, list[Execution]]:
    """The runs of each id, in order of their starts."""
    entries = list(entries)
    ends = {(entry["id"], entry["pid"], entry["run"]): entry["t"] for entry in entries if entry["kind"] == "end"}
    found: dict[str, list[Execution]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "start":
            end = ends.get((entry["id"], entry["pid"], entry["run"]))
            found[entry["id"]].append(
                Execution(id=entry["id"], start=entry["t"], end=end, pid=entry["pid"], redelivered=entry.get("redelivered", False))
            )
    for runs in found.values():
        runs.sort(key=lambda run: run.start)
    return dict(found)


@dataclass(frozen=True)
class Kill:
    """A fault that ended processes."""

    t: float
    pids: frozenset[int] = frozenset()
    held: frozenset[str] = frozenset()


def kills_among(entries: Iterable[Entry]) -> list[Kill]:
    """The kills, in order of time."""
    found = [entry for entry in entries if entry["kind"] == "fault" and entry["name"].startswith("kill")]
    return sorted(
        (Kill(entry["t"], frozenset(entry.get("pids", ())), frozenset(entry.get("held", ()))) for entry in found), key=lambda kill: kill.t
    )


def cut_by(run: Execution, kills: Sequence[Kill]) -> Kill | None:
    """The kill that cut a run short: of its own process where the kills say whose they were, else the first after its start."""
    if run.end is not None:
        return None
    own = [kill for kill in kills if run.pid in kill.pids]
    if own:
        return own[0]
    return next((kill for kill in kills if kill.t >= run.start and not kill.pids), None)


def overlaps(runs: Sequence[Execution], kills: Sequence[Kill]) -> bool:
    """Whether two runs of one id overlapped; a run that was cut short ended with the kill."""
    last = float("-inf")
    for run in runs:
        if run.start < last:
            return True
        kill = cut_by(run, kills)
        last = max(last, run.end if run.end is not None else max(run.start, kill.t) if kill else run.start)
    return False


def audit(
    entries: Iterable[Entry],
    *,
    dead: Iterable[str] = (),
    states: Mapping[str, str] | None = None,
    terminal: Iterable[str] = ("SUCCESS", "FAILURE", "REVOKED"),
    stuck: Mapping[str, int] | None = None,
    leaks: Mapping[str, float] | None = None,
) -> Report:
    """Compare what was meant with what happened.

    Args:
        dead: ids found among the dead letters.
        states: stored states by id, when results were asked for; accepted ids that are missing here count as unsettled.
        stuck: messages found at rest after quiescence, by place.
        leaks: growth of resources.
    """
    entries = list(entries)
    meant = {entry["id"]: "unknown" for entry in entries if entry["kind"] == "intent"}
    meant.update({entry["id"]: entry["outcome"] for entry in entries if entry["kind"] == "outcome"})
    runs = executions(entries)
    finished = {task_id for task_id, each in runs.items() if any(run.end is not None for run in each)}
    dead_lettered = set(dead)
    faults = sorted((entry["t"], entry["name"]) for entry in entries if entry["kind"] == "fault")
    kills = kills_among(entries)
    accepted = [task_id for task_id, outcome in meant.items() if outcome == "ok"]
    recoveries, first = _recoveries(runs, kills)
    terminal = set(terminal)
    counts: dict[str, int] = defaultdict(int)
    for _, name in faults:
        counts[name] += 1
    return Report(
        accepted=len(accepted),
        unknown=sum(outcome == "unknown" for outcome in meant.values()),
        refused=sum(outcome == "fail" for outcome in meant.values()),
        executed=len(finished),
        lost=tuple(task_id for task_id in accepted if task_id not in finished and task_id not in dead_lettered),
        phantom=tuple(task_id for task_id in runs if meant.get(task_id, "fail") == "fail"),
        duplicates=sum(len(each) - 1 for each in runs.values()),
        repeated=sum(run.end is not None for each in runs.values() for run in each[:-1]),
        duplicated={task_id: len(each) for task_id, each in runs.items() if len(each) > 1},
        concurrent=tuple(task_id for task_id, each in runs.items() if len(each) > 1 and overlaps(each, kills)),
        unmarked=sum(not run.redelivered for each in runs.values() for run in each[1:]),
        stuck={place: count for place, count in (stuck or {}).items() if count},
        unsettled=() if states is None else tuple(task_id for task_id in accepted if states.get(task_id) not in terminal),
        recoveries=tuple(recoveries),
        first_recoveries=tuple(first),
        leaks=dict(leaks or {}),
        faults=dict(counts),
    )


def _recoveries(runs: Mapping[str, Sequence[Execution]], kills: Sequence[Kill]) -> tuple[list[float], list[float]]:
    """Per task cut short, and per kill the fastest of them.

    A message may have been with a second worker, waiting there, when that one was killed too: then the time counts from the second kill.
    """
    each: list[float] = []
    fastest: dict[float, float] = {}
    for task_id, history in runs.items():
        for run, following in itertools.pairwise(history):
            cut = cut_by(run, kills)
            if cut is None or cut.t > following.start:
                continue
            since = max([cut.t, *(kill.t for kill in kills if task_id in kill.held and cut.t < kill.t < following.start)])
            took = following.start - since
            each.append(took)
            fastest[since] = min(took, fastest.get(since, took))
    return each, list(fastest.values())
