"""The blocking publisher: LPUSH at once, replies read as they come.

A message is *unconfirmed* from the moment it is written until its reply has been read. The unconfirmed ones stand in a window in the
order in which they were written, which is the order of the replies. After a lost connection they are written again, in order, by a script that
leaves out those which can still be seen in their lists; one that a worker has already taken is doubled, with the same delivery tag.

A call returns when Redis has done what it wrote, as long as the budget of waiting lasts (`umbel.brokers.confirms.waiting`); then, when not more is under
way than Redis reads at once (`reading.ONE_READ`). A process that ends without waiting (``os._exit``, a signal) closes its connection, and Redis, which
does whatever it has read, gives up at the first reply that it cannot write: of what it would have read after that nothing would be left.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import cast

from umbel.brokers.base import BrokerOptions
from umbel.brokers.confirmed_publisher import ConfirmedPublisher
from umbel.brokers.confirms.receipts import WouldBlock
from umbel.brokers.redis.reading import ONE_READ, Pace, Reader, declare_again, names_in, publish_again, refusal, settle, size_of
from umbel.brokers.redis.rendering import Item, Renderer
from umbel.brokers.redis.topology import Table, declare_address
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import BlockingConnection, KeptConnection, wait_ready
from umbel.errors import OperationalError, PublishError
from umbel.runtime import process_hooks
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.message import Call, Message, Stencil
from umbel.wire.redis.channels import Channels
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import pack_all

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")

#: Replies are read after this many messages, at the latest.
_READ_EVERY = 64
#: Messages of `publish_many` that are written by one system call.
_BATCH = 128
#: Seconds between two looks of a thread that waits for a confirm: the thread that reads replies may have taken it, and then nothing more comes.
_TOGETHER = 0.002
#: Seconds for which the bindings of an exchange are remembered.
_ROUTES_FRESH = 1.0


class RedisPublisher(ConfirmedPublisher[Item]):
    """Fulfils `umbel.brokers.base.Publisher`."""

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys) -> None:
        self._candidates = candidates
        self._keys = keys
        self._where = candidates[0].public()
        self._renderer = Renderer(keys, Channels.of(options.transport, candidates[0].db), self._table)
        self._queues: dict[str, Queue] = {}
        super().__init__(options, names_in)

    def forget(self) -> None:
        self._drop()
        self._lookups.close()
        self._renderer.new_tags()
        self._reset()

    def _reset(self) -> None:
        super()._reset()
        self._connection: BlockingConnection | None = None
        self._lookups = KeptConnection(self._candidates)
        self._routes: dict[str, tuple[float, Table]] = {}
        self._declared: set[str] = set()
        self._pace = Pace()
        self._unread = 0
        self._reader = Reader(self._look, lambda: bool(self._window), self._hurried, self._lock)
        self._progress = 0.0  # when the server last gave a sign of life, or had no reason to (monotonic)

    # publishing

    def _send(self, message: Message, to: Destination, started: float, deadline: float, *, is_confirmed: bool = False) -> None:  # noqa: ARG002
        if to.queue is not None:
            self._declare(to.queue, deadline)
        self._write(*self._renderer.render(message, to), deadline, is_confirmed=is_confirmed)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        compiled = self._renderer.compile(stencil)
        if compiled is None:
            self.publish(stencil.fill(call), Destination(stencil.exchange, stencil.routing_key))
            return
        data, item = self._renderer.fill(compiled, call)
        self._write(data, (item,), 0.0)

    def _queue_up(self, lock: threading.RLock, deadline: float) -> float:
        """Take the lock that another thread has; returns the deadline. Who waited while that one failed to connect fails with it.

        Raises:
            OperationalError: the server could not be reached; the lock is not held.
        """
        began = time.monotonic()
        deadline = deadline or began + self._options.publish_timeout
        if not lock.acquire(timeout=max(0.1, deadline - began)):
            raise OperationalError(f"{self._where} could not be reached in time: another thread is still trying")
        if self._connection is None:
            try:
                self._failure.raise_since(began)
            except OperationalError:
                lock.release()
                raise
        return deadline

    def _send_many(self, messages: Iterable[Outgoing]) -> int:
        count = 0
        pieces: list[bytes] = []
        items: list[Item] = []
        renderer = self._renderer
        for outgoing in messages:
            content, stencil = outgoing
            if isinstance(stencil, Stencil) and (compiled := renderer.compile(stencil)) is not None:
                data, item = renderer.fill(compiled, cast("Call", content))
                items.append(item)
            else:
                message, to = whole(outgoing)
                if to.queue is not None:
                    self._declare(to.queue, time.monotonic() + self._options.publish_timeout)
                data, more = renderer.render(message, to)
                items += more
            pieces.append(data)
            count += 1
            if len(items) >= _BATCH:
                self._write(b"".join(pieces), items, 0.0, is_last=False)
                pieces, items = [], []
        if count:
            self._write(b"".join(pieces), items, 0.0)
        return count

    def _table(self, exchange: str) -> Table:
        with self._lock:
            known = self._routes.get(exchange)
            if known is not None and known[0] >= time.monotonic():
                return known[1]
            if self._at_once:
                raise WouldBlock
            number = self._window.number
        self._await(number, time.monotonic() + self._options.publish_timeout)  # bindings of ours may be under way
        with self._lock:
            table: Table = self._lookups.use(lambda connection: Table.read(connection, self._keys, exchange))
            if not table.is_fanout:  # a worker that is new there must not miss what is sent to all
                self._routes[exchange] = (time.monotonic() + _ROUTES_FRESH, table)
        return table

    def _expect_answers(self) -> None:
        self._reader.hurry()

    def declare(self, queue: Queue) -> None:
        self._declare(queue, time.monotonic() + self._options.publish_timeout)

    def _declare(self, queue: Queue, deadline: float) -> None:
        if queue.name in self._declared:
            return
        self._queues[queue.name] = queue
        commands = declare_address(self._keys, queue)
        if not commands:
            self._declared.add(queue.name)
            return
        with self.receipt() as receipt:
            self._write(pack_all(commands), [None] * len(commands), deadline, is_confirmed=True)
        self._settle(receipt, deadline)
        with self._lock:
            self._declared.add(queue.name)
            self._routes.clear()

    # the window

    def _write(self, data: bytes, items: Sequence[Item], deadline: float, *, is_last: bool = True, is_confirmed: bool = False) -> None:
        """Write commands and remember them.

        Args:
            data: the commands.
            items: what they carry, one each.
            deadline: when to give up (monotonic); 0 is the default timeout from now.
            is_last: of its call, which waits until Redis has read nearly everything.
            is_confirmed: the call waits for the replies, and need not wait for anything else.
        """
        lock = self._lock
        if not lock.acquire(blocking=False):  # the clock is asked only by those who have to wait
            deadline = self._queue_up(lock, deadline)
        try:
            if self._at_once:
                self._check_at_once(len(items), is_confirmed)
            connection = self._connection
            window = self._window
            if connection is None or (not window and connection.is_stale()):
                connection = self._establish(deadline)
            if len(window) + len(items) > self._options.window and window:
                self._make_room(len(items), deadline)
                connection = self._connection or self._establish(deadline)
            for item in items:
                window.add(item, size_of(item))
            try:
                if self._at_once:
                    connection.send_now(data)
                else:
                    connection.send_within(data, deadline, self._options.publish_timeout)
            except OperationalError:
                self._rewrite(items, deadline)
            self._unread += len(items)
            if ARMED:
                hit("after_write_before_confirm")
            self._look_after(may_wait=is_last and not is_confirmed and not self._at_once)
            if is_last and self._receipts.has_news:
                self._receipts.raise_own(window.number - len(items) + 1)
        finally:
            lock.release()
        if self._receipts.has_news:
            self._receipts.tell()

    def _check_at_once(self, count: int, is_confirmed: bool) -> None:
        """Raise where writing so many commands may have to wait."""
        connection, window = self._connection, self._window
        has_room = len(window) + count <= self._options.window
        if is_confirmed or not has_room or connection is None or (not window and connection.is_stale()):
            raise WouldBlock

    def _look_after(self, *, may_wait: bool) -> None:
        """Let Redis catch up, read what has been answered, see that somebody will read the rest."""
        now = time.monotonic()
        most = self._pace.most(now) if may_wait else None
        if most != 0 and (self._window.bytes > ONE_READ or self._unread >= _READ_EVERY):
            self._read_now()
        if most is not None and self._window.bytes > most:
            self._pace.catch_up(most, now, self._under_way, self._wait_and_read)
        if self._reader.idle and self._window:
            self._progress = now
            self._reader.start()

    def _under_way(self) -> int:
        return 0 if self._connection is None else self._window.bytes

    def _wait_and_read(self, seconds: float) -> None:
        if self._connection is not None and wait_ready(self._connection.sock, seconds):
            self._read_now()

    def _rewrite(self, items: Sequence[Item], deadline: float) -> None:
        """The connection broke under the last commands: write the window again, or take them back and raise."""
        self._drop()
        if self._at_once:  # the thread that reads replies connects again
            return
        try:
            self._establish(deadline)
        except OperationalError:
            self._window.take_back(len(items))
            raise

    def _make_room(self, count: int, deadline: float) -> None:
        end = deadline or time.monotonic() + self._options.publish_timeout
        most = self._options.window - count
        while self._window and len(self._window) > most:
            if self._connection is None:
                self._establish(end)
                continue
            left = end - time.monotonic()
            self._wait_and_read(max(0.0, min(left, 0.5)))
            if left <= 0 and len(self._window) > most:
                raise OperationalError(f"{self._where} has not confirmed {len(self._window)} messages: the window is full")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _establish(self, deadline: float) -> BlockingConnection:
        """Connect, make known the queues, write the window again; the lock is held."""
        process_hooks.hook_multiprocessing()
        end = deadline or time.monotonic() + self._options.publish_timeout

        def attempt() -> BlockingConnection:
            self._drop()
            return self._establish_once(end - time.monotonic())

        return self._try_to_connect(attempt, end)

    def _establish_once(self, left: float) -> BlockingConnection:
        """Try once, in the time to connect: a server that says nothing must not use up more of the ``left`` seconds than that."""
        connection = BlockingConnection.open_any(self._candidates, max(0.1, min(left, self._options.connect_timeout)))
        try:
            refusals = declare_again(connection, self._keys, self._queues.values())
            publish_again(self._window, connection)
        except BaseException:
            connection.close()
            raise
        connection.timeout = self._options.publish_timeout
        self._declared = set(self._queues)
        self._unread = 0
        self._connection = connection
        for reply in refusals:
            self._declared = set()  # whoever sends next declares again, and is told
            self._receipts.refuse(0, refusal(reply, None))
        return connection

    # replies

    def _read_now(self) -> None:
        """Take in the replies that have come; the lock is held."""
        connection = self._connection
        if connection is None:
            return
        self._unread = 0
        try:
            replies = connection.receive_now()
        except OperationalError as error:
            logger.warning("%s; %d messages will be published again", error, len(self._window))
            self._drop()
            return
        if replies:
            self._progress = time.monotonic()
            self._pace.answers = True
        reason = settle(self._window, replies)
        if reason:
            logger.warning("%s %s; %d messages will be published again", self._where, reason, len(self._window))
            self._drop()

    def _take_answers(self, deadline: float) -> str:
        if self._connection is not None:
            self._read_now()
        elif self._window:
            self._establish(deadline)
        return ""

    def _wait_for_answers(self, seconds: float) -> None:
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError, ValueError):  # another thread may close it
                wait_ready(connection.sock, min(seconds, _TOGETHER))

    def _unanswered(self, cause: str) -> OperationalError:  # noqa: ARG002 - what is lost is connected again, or raises
        return OperationalError(f"{self._where} has not confirmed {len(self._window)} messages in time")

    # what the reading thread does

    def _look(self) -> bool:
        """Read replies, or mend the connection; whether that went well. It never raises: nobody else looks after what is unconfirmed."""
        with self._lock:
            try:
                well = self._look_once()
            except Exception:
                logger.exception("%d messages are unconfirmed and will be published again", len(self._window))
                self._drop()
                well = False
        self._receipts.tell()
        return well

    def _look_once(self) -> bool:
        if self._connection is None and self._window:
            return self._mend()
        if self._connection is not None and self._connection.unsent:
            self._connection.send_now(b"")
        self._read_now()
        if self._window and time.monotonic() - self._progress > self._options.publish_timeout:
            logger.warning("%s does not answer; %d messages will be published again", self._where, len(self._window))
            self._drop()
        return True

    def _hurried(self) -> socket.socket | None:
        connection = self._connection
        return connection.sock if self._receipts and connection is not None and not connection.unsent else None

    def _mend(self) -> bool:
        try:
            self._establish_once(self._options.publish_timeout)
        except PublishError as error:
            # The server is there and says no to what we hold: nobody can be asked to wait for that.
            while self._window:
                self._window.refuse_next(error)
        except OperationalError as error:
            logger.warning("%d messages are unconfirmed: %s", len(self._window), error)
            return False
        return True

    def _disconnect(self) -> None:
        self._drop()
        self._lookups.close()
        self._declared.clear()
        self._queues.clear()
        self._reader.stop()
        self._reader = Reader(self._look, lambda: bool(self._window), self._hurried, self._lock)
