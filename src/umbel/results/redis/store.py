"""Redis and Valkey as a result store: Celery's keys and values (5.7), written and announced by one script for a whole burst."""

from __future__ import annotations

import asyncio
import builtins
import hashlib
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from umbel import states
from umbel.brokers.base import Publisher
from umbel.clients import urls
from umbel.clients.finding import Finding
from umbel.clients.redis.addresses import addresses
from umbel.clients.redis.checkup import check
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.clients.redis.connections import Connections
from umbel.errors import BackendStoreError, EncodeError, ImproperlyConfigured, OperationalError
from umbel.results.base import StoreOptions
from umbel.results.groups.redis import RedisGroups
from umbel.results.meta import MetaCodec, is_terminal
from umbel.results.model import Record, sent
from umbel.results.redis.loops import LoopWaiter
from umbel.results.redis.watch import Watch
from umbel.results.revocations.redis import RedisRevocations
from umbel.results.waiting import late
from umbel.runtime import process_hooks
from umbel.wire.redis import keys, scripts
from umbel.wire.redis.resp import Argument

#: Seconds for which an ended task's result is kept trying; a store that restarts must not cost a result.
_STORE_PATIENCE = 30.0
#: Seconds for reads.
_READ_PATIENCE = 5.0
#: Connections of a process's threads, unless redis_max_connections says otherwise.
_CONNECTIONS = 16
#: Records that one script call stores.
_BATCH = 500
#: Times that an older value that the script cannot read is compared anew.
_ROUNDS = 5
#: How a URL says yes.
_TRUE = ("1", "true", "yes", "on", "t", "y")
#: How Redis refuses a value of more than proto-max-bulk-len (512 MB unless set), before it hangs up.
_TOO_LONG = "invalid bulk length"


class RedisStore:
    """Fulfils `umbel.results.base.ResultStore`."""

    shared = True
    reply_to: str | None = None

    def __init__(self, options: StoreOptions) -> None:
        listed = urls.split(options.url)
        if not listed:
            raise ImproperlyConfigured("a Redis result store needs a URL, e.g. redis://localhost:6379/1")
        if options.compression and any(urls.parse(each).query.get("decode_responses", "").lower() in _TRUE for each in listed):
            options = replace(options, compression=None)  # as in Celery: its clients that read text cannot read what is compressed
        self.options = options
        self._candidates = addresses(
            listed, tls=options.ssl, transport=options.transport, connect_timeout=options.connect_timeout, client_name=None
        )
        self._prefix = keys.result_prefix(options.transport)
        self._codec = MetaCodec(options)
        # One of them is that of the waiting threads.
        self._connections = Connections(self._candidates, options.socket_timeout, max(1, (options.max_connections or _CONNECTIONS) - 1))
        self._watch = Watch(self._candidates, min(options.socket_timeout, 10.0))
        self.groups: RedisGroups = RedisGroups(self._connections, self._prefix, options)
        self.revocations: RedisRevocations = RedisRevocations(self._connections, self._prefix)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopWaiter] = weakref.WeakKeyDictionary()
        process_hooks.attach(after_fork=self._forget_connections)

    def _forget_connections(self) -> None:
        """In a forked child: they belong to the parent."""
        self._connections.forget()
        self._watch.forget()

    def _key(self, task_id: str) -> str:
        return keys.task_meta(self._prefix, task_id)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the server over (`umbel.clients.finding.HasCheckup`)."""
        found: list[Finding] = self._connections.use(lambda each: list(check(each, subject, keeps_messages=False)), _READ_PATIENCE)
        return found

    def expect(self, task_id: str) -> None:
        """Nothing has to be made ready."""

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:  # noqa: ARG002 - two servers, two writes
        self.store([sent(task_id) for task_id in task_ids])

    def store(self, records: Sequence[Record]) -> None:
        longer = self.options.failure_expires
        if longer is None:
            self._keep(records, self.options.expires)
            return
        failures = [record for record in records if record.status == states.FAILURE]
        others = [record for record in records if record.status != states.FAILURE] if failures else records
        self._keep(others, self.options.expires)
        self._keep(failures, longer)

    def _keep(self, records: Sequence[Record], expires: float | None) -> None:
        encoded = [(self._key(record.task_id), self._codec.encode(record)) for record in records]
        for first in range(0, len(encoded), _BATCH):
            batch = encoded[first : first + _BATCH]
            try:
                self._connections.use(partial(self._store, batch, expires), _STORE_PATIENCE)
            except OperationalError as error:
                if _TOO_LONG in str(error):
                    raise EncodeError(f"a result is larger than Redis takes: {max(len(data) for _, data in batch):,} bytes") from error
                raise

    def _store(self, batch: Sequence[tuple[str, bytes]], expires: float | None, connection: BlockingConnection) -> None:
        """Store; where the script cannot read the older value, read it, and store only over that very value."""
        keep = str(max(1, int(expires * 1000))) if expires else "0"
        script = scripts.load("store")
        digests = [""] * len(batch)
        for _ in range(_ROUNDS):
            arguments: list[Argument] = [keep]
            for (_, data), digest in zip(batch, digests, strict=True):
                arguments += data, digest
            unclear = connection.run(script, [key for key, _ in batch], arguments)
            if not unclear:
                return
            old = connection.call("MGET", *(batch[number - 1][0] for number in unclear))
            left = [
                (batch[number - 1], value)
                for number, value in zip(unclear, old, strict=True)
                if value is None or not self._codec.has_ended(value)
            ]
            if not left:
                return
            batch = [item for item, _ in left]
            digests = [hashlib.sha1(value, usedforsecurity=False).hexdigest() if value else "" for _, value in left]
        raise BackendStoreError(f"the results of {len(batch)} tasks change all the time and could not be stored")

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        if not task_ids:
            return {}
        names = [self._key(task_id) for task_id in task_ids]
        values = self._connections.use(lambda connection: connection.call("MGET", *names), _READ_PATIENCE)
        return {task_id: self._codec.decode(value, task_id) for task_id, value in zip(task_ids, values, strict=True) if value is not None}

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        watched = _Watched(self._codec, task_id, on_record)
        if not self._watch.wait(self._key(task_id), timeout, watched.take):
            raise late(task_id, timeout)
        return watched.record

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        loop = asyncio.get_running_loop()
        waiter = self._loops.get(loop)
        if waiter is None:
            self._drop_closed_loops()
            waiter = self._loops[loop] = LoopWaiter(self._candidates)
        watched = _Watched(self._codec, task_id, None)
        try:
            async with asyncio.timeout(timeout) as limit:
                await waiter.wait(self._key(task_id), watched.take)
        except builtins.TimeoutError as error:
            if limit.expired():
                raise late(task_id, timeout) from error
            raise
        return watched.record

    def forget(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            names = [self._key(task_id) for task_id in task_ids]
            self._connections.use(lambda connection: connection.call("UNLINK", *names), _READ_PATIENCE)

    def cleanup(self) -> int:
        """Redis drops what has expired by itself."""
        return 0

    def public_url(self) -> str:
        return ";".join(address.public() for address in self._candidates)

    def close(self) -> None:
        self._connections.close()
        self._watch.close()
        self._drop_closed_loops()
        for loop, waiter in list(self._loops.items()):
            if loop.is_running():
                loop.call_soon_threadsafe(waiter.stop)

    def _drop_closed_loops(self) -> None:
        """Disconnect what loops have left that were closed without cancelling their tasks."""
        for loop in [loop for loop in list(self._loops) if loop.is_closed()]:
            waiter = self._loops.pop(loop, None)
            if waiter is not None:
                waiter.drop()


class _Watched:
    """Takes the values of one task's key, as they are read and announced, until one is terminal."""

    def __init__(self, codec: MetaCodec, task_id: str, on_record: Callable[[Record], None] | None) -> None:
        self._codec = codec
        self._task_id = task_id
        self._on_record = on_record
        self._last: bytes | None = None
        #: The terminal one, once it has come.
        self.record: Record

    def take(self, value: bytes) -> bool:
        """Report whether this is the terminal one. A value that is both read and announced counts once."""
        if value == self._last:
            return False
        self._last = value
        record = self._codec.decode(value, self._task_id)
        if is_terminal(record):
            self.record = record
            return True
        if self._on_record is not None:
            self._on_record(record)
        return False


def connect(options: StoreOptions) -> RedisStore:
    """Make the store for a Redis URL; connects when first used.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """
    return RedisStore(options)
