"""Schedules in this process: for tests, and beside a broker in memory."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run, reported
from umbel.beat.stores.base import Changes, Claim
from umbel.beat.stores.packing import pack, unpack
from umbel.runtime.clock import SYSTEM, Clock


class MemoryScheduleStore:
    """`ScheduleStore` in dicts.

    Args:
        clock: by which leases end.
    """

    shared = False

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._namespace = uuid.uuid4().hex
        self._entries: dict[str, Entry] = {}
        self._revision = 0
        self._runs: dict[str, Run] = {}
        self._lease = ("", 0.0)

    def namespace(self) -> str:
        return self._namespace

    def revision(self) -> int:
        return self._revision

    def changes(self, since: int = 0) -> Changes:
        with self._lock:
            return Changes(self._revision, tuple(entry for entry in self._entries.values() if entry.revision > since))

    def entry(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def save(self, entries: Sequence[Entry], *, rewind: bool = False) -> list[bool]:
        with self._lock:
            return [self._save(entry, rewind=rewind) for entry in entries]

    def _save(self, entry: Entry, *, rewind: bool) -> bool:
        known = self._entries.get(entry.name)
        if (0 if known is None else known.revision) != entry.revision:
            return False
        self._revision += 1
        columns: dict[str, Any] = {"revision": self._revision, "after": entry.after}
        if known is not None:
            columns["after"] = entry.after if rewind else max(entry.after, known.after)
            columns |= {"last_fired": known.last_fired, "last_id": known.last_id, "total_runs": known.total_runs}
        # Through its text, as in all other stores: what that cannot hold is not kept.
        self._entries[entry.name] = unpack(entry.name, pack(entry), entry.status, columns)
        return True

    def claim(self, token: str, claims: Sequence[Claim]) -> list[bool]:
        with self._lock:
            return [self._claim(token, claim) for claim in claims]

    def _claim(self, token: str, claim: Claim) -> bool:
        if self.holder() != token:
            return False
        entry = self._entries.get(claim.name)
        if entry is None or entry.status != model.ACTIVE or entry.revision != claim.revision:
            return False
        if claim.slot <= entry.after:
            known = [self._runs.get(run.task_id) for run in claim.runs]
            return bool(known) and all(run is not None and run.holder == token and run.state == model.CLAIMED for run in known)
        fired = [run for run in claim.runs if run.state != model.SKIPPED]
        entry = replace(entry, after=claim.slot)
        if fired:
            entry = replace(entry, last_fired=fired[0].fired, last_id=fired[0].task_id, total_runs=entry.total_runs + 1)
        self._entries[claim.name] = entry
        self._runs.update({run.task_id: run for run in claim.runs})
        return True

    def record(self, runs: Sequence[Run]) -> None:
        with self._lock:
            for run in runs:
                self._runs.setdefault(run.task_id, run)

    def report(self, reports: Sequence[Report]) -> None:
        with self._lock:
            for report in reports:
                if report.task_id in self._runs:
                    self._runs[report.task_id] = reported(self._runs[report.task_id], report)

    def runs(self, name: str | None = None, limit: int = 100) -> list[Run]:
        with self._lock:
            found = [run for run in self._runs.values() if name is None or run.entry == name]
        return sorted(found, key=lambda run: (run.fired, run.slot, run.task_id), reverse=True)[:limit]

    def unfinished(self, since: float = 0.0, limit: int = 500) -> list[Run]:
        with self._lock:
            found = [run for run in self._runs.values() if not run.is_over and run.fired > since]
        return sorted(found, key=lambda run: (run.fired, run.task_id))[:limit]

    def trim(self, keep: int, before: float) -> int:
        with self._lock:
            dropped = {run.task_id for run in self._runs.values() if run.fired < before}
            for name in {run.entry for run in self._runs.values()}:
                dropped.update(run.task_id for run in self.runs(name, len(self._runs))[keep:])
            for task_id in dropped:
                del self._runs[task_id]
            for entry in list(self._entries.values()):
                if entry.status == model.REMOVED and not entry.code and entry.after < before:
                    del self._entries[entry.name]
            return len(dropped)

    def acquire(self, token: str, seconds: float) -> bool:
        with self._lock:
            if self.holder() not in (None, token):
                return False
            self._lease = (token, self._clock.monotonic() + seconds)
            return True

    def release(self, token: str) -> None:
        with self._lock:
            if self._lease[0] == token:
                self._lease = ("", 0.0)

    def holder(self) -> str | None:
        token, until = self._lease
        return token if token and until > self._clock.monotonic() else None

    def public_url(self) -> str:
        return "memory://"

    def close(self) -> None:
        """Nothing is open."""
