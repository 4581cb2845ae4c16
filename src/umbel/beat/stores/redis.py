"""Schedules in Redis or Valkey. Each step is one script; leases end by the server's clock.

All keys begin with ``{umbel:schedules}:``, after the ``global_keyprefix``: on a cluster they lie on one node.

===================  =====================================================================
``meta``             hash: version, namespace, revision
``lease``            the token of the holder, with a time to live
``changes``          sorted set: names of entries by their revisions
``entry:<name>``     hash: document, status, revision, after, last_fired, last_id, total_runs
``runs``             sorted set: ids of all runs by the time at which they were fired
``runs:<name>``      the same, of one entry
``open``             the same, of those that are not over
``run:<id>``         hash: the run
===================  =====================================================================
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run
from umbel.beat.stores.base import VERSION, Changes, Claim, NewerVersion
from umbel.beat.stores.packing import RUN_COLUMNS, pack, row_of, run_of, unpack
from umbel.clients import urls
from umbel.clients.redis.addresses import addresses
from umbel.clients.redis.connection_blocking import BlockingConnection, KeptConnection
from umbel.errors import ImproperlyConfigured
from umbel.runtime import process_hooks
from umbel.wire.redis import scripts
from umbel.wire.redis.resp import Argument

#: Seconds that a reply may take.
_TIMEOUT: Final = 4.0
#: Entries or runs that one script call or pipeline is about.
_BATCH: Final = 500
_ENTRY: Final = ("document", "status", "revision", "after", "last_fired", "last_id", "total_runs")
#: The order in which scripts find what they need of a run.
_RUN: Final = ("task_id", "fired", "entry", *(name for name in RUN_COLUMNS if name not in ("task_id", "fired", "entry")), "state_rank")
_NUMBERS: Final = frozenset({"slot", "fired", "runtime", "ended"})


class RedisScheduleStore:
    """`ScheduleStore` in Redis.

    Args:
        url: one or several, see `umbel.clients.redis.addresses`.
        transport: Celery's transport options: ``global_keyprefix``, ``master_name``, …
        tls: keyword arguments for TLS, or whether there is any.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """

    shared = True

    def __init__(
        self, url: str | Iterable[str], *, transport: Mapping[str, Any] | None = None, tls: bool | Mapping[str, Any] | None = None
    ) -> None:
        listed = urls.split(url)
        if not listed:
            raise ImproperlyConfigured("a schedule store in Redis needs a URL, e.g. redis://localhost:6379/0")
        options = transport or {}
        self._candidates = addresses(listed, tls=tls, transport=options, connect_timeout=_TIMEOUT, client_name=None)
        self._prefix = f"{options.get('global_keyprefix') or ''}{{umbel:schedules}}:"
        self._reset()
        process_hooks.attach(after_fork=self._reset)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._connection = KeptConnection(self._candidates, _TIMEOUT)
        self._namespace = ""

    def _key(self, name: str) -> str:
        return self._prefix + name

    def namespace(self) -> str:
        def make(connection: BlockingConnection) -> list[Any]:
            meta = self._key("meta")
            connection.call("HSETNX", meta, "namespace", uuid.uuid4().hex)
            connection.call("HSETNX", meta, "version", str(VERSION))
            return list(connection.call("HMGET", meta, "namespace", "version"))

        if not self._namespace:
            found, version = (value.decode() for value in self._use(make))
            if version != str(VERSION):
                raise NewerVersion(self.public_url(), version)
            self._namespace = found
        return self._namespace

    # entries

    def revision(self) -> int:
        return int(self._use(lambda connection: connection.call("HGET", self._key("meta"), "revision")) or 0)

    def changes(self, since: int = 0) -> Changes:
        self.namespace()
        # The revision first: what is changed in between is found again by the next question.
        revision = self.revision()
        names = [
            name.decode("utf-8", "surrogatepass")
            for name in self._use(lambda connection: connection.call("ZRANGEBYSCORE", self._key("changes"), f"({since}", "+inf"))
        ]
        found: list[Entry] = []
        for some in _batches(names):
            commands = [("HMGET", self._key(f"entry:{name}"), *_ENTRY) for name in some]
            rows = self._pipeline(commands)
            found += [_entry(name, row) for name, row in zip(some, rows, strict=True) if isinstance(row, list) and row[0] is not None]
        return Changes(revision, tuple(found))

    def entry(self, name: str) -> Entry | None:
        row = self._use(lambda connection: connection.call("HMGET", self._key(f"entry:{name}"), *_ENTRY))
        return None if row[0] is None else _entry(name, row)

    def save(self, entries: Sequence[Entry], *, rewind: bool = False) -> list[bool]:
        self.namespace()
        saved: list[bool] = []
        for some in _batches(entries):
            arguments: list[Argument] = [self._prefix, "1" if rewind else "0"]
            for entry in some:
                arguments += entry.name, str(entry.revision), pack(entry), entry.status, repr(entry.after)
            saved += map(bool, self._run("save", ("meta", "changes"), arguments))
        return saved

    # claims

    def claim(self, token: str, claims: Sequence[Claim]) -> list[bool]:
        granted: list[bool] = []
        for some in _batches(claims):
            arguments: list[Argument] = [self._prefix, token, str(2 * len(_RUN))]
            for claim in some:
                fired = next((run for run in claim.runs if run.state != model.SKIPPED), None)
                arguments += claim.name, str(claim.revision), repr(claim.slot), str(len(claim.runs))
                arguments += ("", "") if fired is None else (repr(fired.fired), fired.task_id)
                for run in claim.runs:
                    arguments += _run_arguments(run)
            granted += map(bool, self._run("claim", ("lease", "runs", "open"), arguments))
        return granted

    # runs

    def record(self, runs: Sequence[Run]) -> None:
        for some in _batches(runs):
            arguments: list[Argument] = [self._prefix, str(2 * len(_RUN))]
            for run in some:
                arguments += _run_arguments(run)
            self._run("record", ("runs", "open"), arguments)

    def report(self, reports: Sequence[Report]) -> None:
        for some in _batches(reports):
            arguments: list[Argument] = [self._prefix, str(model.OVER), str(model.LAST)]
            for each in some:
                arguments += each.task_id, each.state, str(model.rank_of(each.state)), each.worker
                arguments += _written(each.runtime), _written(each.ended), each.detail
            self._run("report", ("open",), arguments)

    def runs(self, name: str | None = None, limit: int = 100) -> list[Run]:
        key = self._key("runs" if name is None else f"runs:{name}")
        return self._list(lambda connection: connection.call("ZREVRANGE", key, "0", str(limit - 1)))

    def unfinished(self, since: float = 0.0, limit: int = 500) -> list[Run]:
        key = self._key("open")
        return self._list(lambda connection: connection.call("ZRANGEBYSCORE", key, f"({since!r}", "+inf", "LIMIT", "0", str(limit)))

    def _list(self, ids: Callable[[BlockingConnection], Any]) -> list[Run]:
        found: list[Run] = []
        for some in _batches(self._use(ids)):
            commands = [("HMGET", self._key(f"run:{task_id.decode()}"), *RUN_COLUMNS) for task_id in some]
            rows = self._pipeline(commands)
            found += [_run(row) for row in rows if isinstance(row, list) and row[0] is not None]
        return found

    def trim(self, keep: int, before: float) -> int:
        entries = self.changes().entries
        commands: list[tuple[Argument, ...]] = [("ZRANGEBYSCORE", self._key("runs"), "-inf", f"({before!r}")]
        commands += [("ZREVRANGE", self._key(f"runs:{entry.name}"), str(keep), "-1") for entry in entries]
        dropped = 0
        for number, ids in enumerate(self._pipeline(commands)):
            for some in _batches(ids if isinstance(ids, list) else []):
                dropped += self._drop(some, None if number == 0 else entries[number - 1].name)
        gone = [entry.name for entry in entries if entry.status == model.REMOVED and not entry.code and entry.after < before]
        for name in gone:
            self._pipeline([("ZREM", self._key("changes"), name), ("DEL", self._key(f"entry:{name}"), self._key(f"runs:{name}"))])
        return dropped

    def _drop(self, ids: Sequence[bytes], name: str | None) -> int:
        """Drop runs; of which entry they are is looked up where it is not known."""
        keys = [self._key(f"run:{task_id.decode()}") for task_id in ids]
        if name is None:
            owners = self._pipeline([("HGET", key, "entry") for key in keys])
        else:
            owners = [name.encode("utf-8", "surrogatepass")] * len(ids)
        commands: list[tuple[Argument, ...]] = [("DEL", *keys), ("ZREM", self._key("runs"), *ids), ("ZREM", self._key("open"), *ids)]
        commands += [("ZREM", self._key("runs:").encode() + owner, task_id) for owner, task_id in zip(owners, ids, strict=True) if owner]
        return int(self._pipeline(commands)[1])

    # lease

    def acquire(self, token: str, seconds: float) -> bool:
        self.namespace()
        return bool(self._run("lease", ("lease",), [token, str(max(1, int(seconds * 1000)))]))

    def release(self, token: str) -> None:
        self._run("release", ("lease",), [token])

    def holder(self) -> str | None:
        found = self._use(lambda connection: connection.call("GET", self._key("lease")))
        return None if found is None else str(found.decode())

    def public_url(self) -> str:
        return ";".join(address.public() for address in self._candidates)

    def close(self) -> None:
        with self._lock:
            self._namespace = ""
            self._connection.close()

    def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        loaded = scripts.load(f"schedule_{script}")
        return self._use(lambda connection: connection.run(loaded, [self._key(key) for key in keys], arguments))

    def _pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return list(self._use(lambda connection: connection.pipeline(commands)))

    def _use(self, work: Callable[[BlockingConnection], Any]) -> Any:
        with self._lock:
            return self._connection.use(work)


def _run_arguments(run: Run) -> list[Argument]:
    values = {**dict(zip(RUN_COLUMNS, row_of(run), strict=True)), "state_rank": model.rank_of(run.state)}
    pairs: list[Argument] = ["0" if run.is_over else "1"]
    for name in _RUN:
        pairs += name, _written(values[name])
    return pairs


def _written(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(int(value)) if isinstance(value, bool) else str(value)


def _run(row: Sequence[bytes | None]) -> Run:
    values = []
    for name, value in zip(RUN_COLUMNS, row, strict=True):
        text = (value or b"").decode("utf-8", "surrogatepass")
        values.append((float(text) if text else None) if name in _NUMBERS else int(text or 0) if name in ("by_hand", "missed") else text)
    return run_of(values)


def _entry(name: str, row: Sequence[bytes | None]) -> Entry:
    document, status, *rest = ((value or b"").decode("utf-8", "surrogatepass") for value in row)
    revision, after, last_fired, last_id, total_runs = rest
    columns = {
        "revision": int(revision or 0),
        "after": float(after or 0),
        "last_fired": float(last_fired) if last_fired else None,
        "last_id": last_id or None,
        "total_runs": int(total_runs or 0),
    }
    return unpack(name, document, status, columns)


def _batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[first : first + _BATCH] for first in range(0, len(items), _BATCH))
