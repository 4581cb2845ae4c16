"""The blocking publisher: LPUSH at once, replies read as they come.

A message is *unconfirmed* from the moment it is written until its reply has been read. The unconfirmed ones stand in a window in the
order in which they were written, which is the order of the replies. After a lost connection they are written again, in order, by a script that
leaves out those which can still be seen in their lists; one that a worker has already taken is doubled, with the same delivery tag.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from umbel.brokers.base import BrokerOptions
from umbel.brokers.redis.address import Address
from umbel.brokers.redis.bindings import Table, binding_commands
from umbel.brokers.redis.blocking import Connection, KeptConnection, wait_ready
from umbel.brokers.redis.reading import Reader, Verdicts, Watcher, tell
from umbel.brokers.redis.rendering import Item, Renderer
from umbel.brokers.redis.replies import is_transient
from umbel.brokers.retries import Retries
from umbel.brokers.topology import Destination, Queue
from umbel.errors import AccessRefused, OperationalError, PublishError
from umbel.messages.model import Message, Stencil
from umbel.runtime import lifetime
from umbel.runtime.backoff import delays
from umbel.runtime.failpoints import ARMED, hit
from umbel.wire.redis import scripts
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import Argument, ReplyError, pack_all

logger = logging.getLogger("umbel.brokers.redis")

#: Replies are read after this many messages, at the latest.
_READ_EVERY = 64
#: How far into a list a message is looked for before it is written again.
_LOOK_BACK = 20_000
#: Messages of `publish_many` that are written by one system call.
_BATCH = 128
#: Seconds for which the bindings of an exchange are remembered.
_ROUTES_FRESH = 1.0
_REPLAY_BATCH = 200


class RedisPublisher:
    """Fulfils `umbel.brokers.base.Publisher`."""

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys) -> None:
        self._options = options
        self._retries = Retries(options.publish_retries)
        self._candidates = candidates
        self._keys = keys
        self._where = candidates[0].public()
        self._renderer = Renderer(keys, candidates[0].db, self._table)
        self._queues: dict[str, Queue] = {}
        self._reset()
        lifetime.attach(after_fork=self.forget, before_exit=self.at_exit)

    def forget(self) -> None:
        """Start from nothing in a forked child: the parent's messages are the parent's business."""
        connection = self._connection
        self._lookups.close()
        self._renderer.new_tags()
        self._reset()
        if connection is not None:
            connection.close()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._lookups = KeptConnection(self._candidates)
        self._routes: dict[str, tuple[float, Table]] = {}
        self._declared: set[str] = set()
        self._window: deque[Item] = deque()
        #: Commands ever put into the window, and ever taken out of it.
        self._sent = 0
        self._confirmed = 0
        self._unread = 0
        self._verdicts = Verdicts()
        self._reader = self._new_reader()
        #: When connecting last failed (monotonic), and how: not the exception, whose traceback would keep the caller's variables.
        self._failed: tuple[float, type[OperationalError], str] | None = None
        #: When the server last gave a sign of life, or had no reason to (monotonic).
        self._progress = 0.0

    def _new_reader(self) -> Reader:
        return Reader(self._look, lambda: bool(self._window), self._hurried, self._lock)

    # publishing

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (self._options.publish_timeout if timeout is None else timeout)
        if to.queue is not None:
            self._declare(to.queue, deadline)
        number = self._write(*self._renderer.render(message, to), deadline)
        if confirm:
            self._wait_confirmed(number, deadline)

    def publish_stencil(
        self, stencil: Stencil, task_id: str, root_id: str, parent_id: str | None, argsrepr: str, kwargsrepr: str, body: bytes
    ) -> None:
        compiled = self._renderer.compile(stencil)
        if compiled is None:
            self.publish(
                stencil.fill(task_id, root_id, parent_id, argsrepr, kwargsrepr, body), Destination(stencil.exchange, stencil.routing_key)
            )
            return
        template, head, key = compiled
        raw = template.render(task_id, root_id, parent_id, argsrepr, kwargsrepr, body, self._renderer.tag())
        self._write(b"%b%d\r\n%b\r\n" % (head, len(raw), raw), ((key, raw),), 0.0)

    def _queue_up(self, lock: threading.Lock, deadline: float) -> float:
        """Take the lock that another thread has; returns the deadline. Who waited while that one failed to connect fails with it.

        Raises:
            OperationalError: the server could not be reached; the lock is not held.
        """
        began = time.monotonic()
        deadline = deadline or began + self._options.publish_timeout
        if not lock.acquire(timeout=max(0.1, deadline - began)):
            raise OperationalError(f"{self._where} could not be reached in time: another thread is still trying")
        if self._failed is not None and self._failed[0] >= began and self._connection is None:
            lock.release()
            raise self._failed[1](self._failed[2])
        return deadline

    def publish_many(self, messages: Iterable[tuple[Message, Destination]], *, confirm: bool = False) -> int:
        count = 0
        pieces: list[bytes] = []
        items: list[Item] = []
        timeout = self._options.publish_timeout
        for message, to in messages:
            if to.queue is not None:
                self._declare(to.queue, time.monotonic() + timeout)
            data, more = self._renderer.render(message, to)
            pieces.append(data)
            items += more
            count += 1
            if len(items) >= _BATCH:
                self._write(b"".join(pieces), items, 0.0)
                pieces, items = [], []
        if items:
            self._write(b"".join(pieces), items, 0.0)
        if confirm:
            self.flush()
        return count

    def _table(self, exchange: str) -> Table:
        with self._lock:
            known = self._routes.get(exchange)
            if known is None or known[0] < time.monotonic():
                if self._window:  # bindings of ours may be under way
                    self._catch_up()
                table = self._lookups.use(lambda connection: Table.read(connection, self._keys, exchange))
                known = self._routes[exchange] = (time.monotonic() + _ROUTES_FRESH, table)
        return known[1]

    def _catch_up(self) -> None:
        """Wait until everything written is confirmed; the lock is held."""
        end = time.monotonic() + self._options.publish_timeout
        while self._window and time.monotonic() < end:
            if self._connection is None:
                self._establish(end)
            else:
                wait_ready(self._connection.sock, 0.5)
                self._read_now()

    def would_block(self) -> bool:
        return self._connection is None or len(self._window) >= self._options.window // 2

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        return self._retries.limited(retries)

    def declare(self, queue: Queue) -> None:
        self._declare(queue, time.monotonic() + self._options.publish_timeout)

    def _declare(self, queue: Queue, deadline: float) -> None:
        if queue.name in self._declared:
            return
        self._queues[queue.name] = queue
        if queue.no_declare:
            self._declared.add(queue.name)
            return
        commands, declared = binding_commands(self._keys, queue), self._declared
        self._write(pack_all(commands), [None] * len(commands), deadline)
        declared.add(queue.name)  # a refusal has put another set in its place
        with self._lock:
            self._routes.clear()

    # the window

    def _write(self, data: bytes, items: Sequence[Item], deadline: float) -> int:
        """Write commands and remember them; returns the number of the last. A deadline of 0 is the default timeout from now."""
        lock = self._lock
        # The clock is asked only by those who have to wait.
        if not lock.acquire(blocking=False):
            deadline = self._queue_up(lock, deadline)
        try:
            connection = self._connection
            window = self._window
            if connection is None or (not window and connection.is_stale()):
                connection = self._establish(deadline)
            if self._verdicts.refused:
                self._verdicts.raise_refused()
            if len(window) + len(items) > self._options.window and window:
                self._make_room(len(items), deadline)
                connection = self._connection or self._establish(deadline)
            window.extend(items)
            self._sent += len(items)
            try:
                sent = connection.sock.send(data)
                if sent != len(data):
                    connection.send(data[sent:], deadline or time.monotonic() + self._options.publish_timeout)
            except OSError:  # full, or TLS, or lost: the slow way finds out
                self._write_slowly(connection, data, len(items), deadline)
            except OperationalError:
                self._rewrite(len(items), deadline)
            self._unread += len(items)
            if ARMED:
                hit("after_write_before_confirm")
            if self._unread >= _READ_EVERY:
                self._read_now()
            if self._reader.idle:
                self._progress = time.monotonic()
                self._reader.start()
            return self._sent
        finally:
            lock.release()

    def _write_slowly(self, connection: Connection, data: bytes, count: int, deadline: float) -> None:
        try:
            connection.send(data, deadline or time.monotonic() + self._options.publish_timeout)
        except OperationalError:
            self._rewrite(count, deadline)

    def _rewrite(self, count: int, deadline: float) -> None:
        """The connection broke under the last ``count`` commands: write the window again, or take them back and raise."""
        self._drop()
        try:
            self._establish(deadline)
        except OperationalError:
            if self._sent - self._confirmed >= count:
                for _ in range(count):
                    self._window.pop()
                self._sent -= count
            raise

    def _make_room(self, count: int, deadline: float) -> None:
        end = deadline or time.monotonic() + self._options.publish_timeout
        while self._window and len(self._window) + count > self._options.window:
            if self._connection is None:
                self._establish(end)
                continue
            self._read_now()
            if len(self._window) + count <= self._options.window:
                return
            left = end - time.monotonic()
            if left <= 0:
                raise OperationalError(f"{self._where} has not confirmed {len(self._window)} messages: the window is full")
            if self._connection is not None:
                wait_ready(self._connection.sock, min(left, 0.5))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _establish(self, deadline: float) -> Connection:
        """Connect, make known the queues, write the window again; the lock is held."""
        end = deadline or time.monotonic() + self._options.publish_timeout
        attempts = 1 + self._retries.allowed
        for attempt, pause in enumerate(delays(0.05, most=1.0), 1):
            self._drop()
            try:
                return self._establish_once(end - time.monotonic())
            except OperationalError as error:
                if isinstance(error, AccessRefused) or attempt >= attempts or time.monotonic() + pause >= end:
                    self._failed = (time.monotonic(), type(error), str(error))
                    raise
            time.sleep(pause)
        raise AssertionError

    def _establish_once(self, left: float) -> Connection:
        """One try, in the time to connect: a server that says nothing must not use up more of the ``left`` seconds than that."""
        connection = Connection.open_any(self._candidates, max(0.1, min(left, self._options.connect_timeout)))
        try:
            commands = [
                command for queue in self._queues.values() if not queue.no_declare for command in binding_commands(self._keys, queue)
            ]
            refusals = [reply for reply in connection.pipeline(commands) if isinstance(reply, ReplyError)]
            for refusal in refusals:
                if is_transient(refusal):
                    raise OperationalError(f"Redis takes no declarations now: {refusal}")
            while self._window:
                batch = [self._window[i] for i in range(min(_REPLAY_BATCH, len(self._window)))]
                _publish_again(connection, [item for item in batch if item is not None])
                for _ in batch:
                    self._window.popleft()
                self._confirmed += len(batch)
        except BaseException:
            connection.close()
            raise
        connection.timeout = self._options.publish_timeout
        self._declared = set(self._queues)
        self._unread = 0
        self._connection = connection
        for refusal in refusals:
            self._refuse(refusal, None)
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
        if len(replies) > len(self._window):
            logger.warning("%s answered what nobody asked; %d messages will be published again", self._where, len(self._window))
            self._drop()
            return
        for reply in replies:
            item = self._window[0]
            if isinstance(reply, ReplyError):
                if is_transient(reply):
                    logger.warning("Redis takes no messages now (%s); %d will be published again", reply, len(self._window))
                    self._drop()
                    return
                self._refuse(reply, item)
            self._window.popleft()
            self._confirmed += 1

    def _refuse(self, reply: ReplyError, item: Item) -> None:
        if item is None:
            self._declared = set()
        where = f"a message to list {item[0].decode()!r}" if item else "a binding or broadcast"
        self._verdicts.refused[self._confirmed + 1] = PublishError(f"Redis refused {where}: {reply}")

    def _wait_confirmed(self, number: int, deadline: float) -> None:
        """Wait, without holding the lock, until the command of a number is confirmed."""
        while True:
            with self._lock:
                if self._confirmed < number:
                    if self._connection is None:
                        self._establish(deadline)
                    else:
                        self._read_now()
                if self._confirmed >= number:
                    self._verdicts.raise_refused(number)
                    return
                connection = self._connection
                left = len(self._window)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise OperationalError(f"{self._where} has not confirmed {left} messages in time")
            if connection is not None:
                with contextlib.suppress(OSError, ValueError):  # another thread may close it
                    wait_ready(connection.sock, min(remaining, 0.5))

    def flush(self, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (self._options.publish_timeout if timeout is None else timeout)
        with self._lock:
            number = self._sent
        self._wait_confirmed(number, deadline)
        with self._lock:
            self._verdicts.raise_refused()

    def on_confirmed(self, callback: Watcher) -> None:
        with self._lock:
            self._verdicts.watch(self._sent, callback)
            due = self._verdicts.take_due(self._confirmed)
            if not due:
                self._reader.hurry()
        tell(due)

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
            due = self._verdicts.take_due(self._confirmed)
        tell(due)
        return well

    def _look_once(self) -> bool:
        if self._connection is None and self._window:
            return self._mend()
        self._read_now()
        if self._window and time.monotonic() - self._progress > self._options.publish_timeout:
            logger.warning("%s does not answer; %d messages will be published again", self._where, len(self._window))
            self._drop()
        return True

    def _hurried(self) -> socket.socket | None:
        connection = self._connection
        return connection.sock if self._verdicts.is_watched and connection is not None else None

    def _mend(self) -> bool:
        try:
            self._establish_once(self._options.publish_timeout)
        except PublishError as error:
            # The server is there and says no to what we hold: nobody can be asked to wait for that.
            self._verdicts.refused[self._confirmed + 1] = error
            self._confirmed += len(self._window)
            self._window.clear()
        except OperationalError as error:
            logger.warning("%d messages are unconfirmed: %s", len(self._window), error)
            return False
        return True

    def close(self) -> None:
        try:
            self.flush()
        finally:
            with self._lock:
                self._drop()
                self._lookups.close()
                self._declared.clear()
                self._queues.clear()
                self._reader.stop()
                self._reader = self._new_reader()

    def at_exit(self) -> None:
        """Flush before the interpreter ends."""
        try:
            self.close()
        except OperationalError as error:
            logger.error("messages may be lost at exit: %s", error)
            with self._lock:
                self._reset()  # the app closes this publisher once more, and must not wait for them as long again


def _publish_again(connection: Connection, items: Sequence[tuple[bytes, bytes]]) -> None:
    """Put messages into their lists, without those that can still be seen there."""
    lists = {key: number for number, key in enumerate(dict.fromkeys(key for key, _ in items), 1)}
    arguments: list[Argument] = [_LOOK_BACK]
    for key, raw in items:
        arguments += lists[key], raw
    if items:
        try:
            connection.run(scripts.load("publish_again"), tuple(lists), arguments)
        except ReplyError as error:
            kind = OperationalError if is_transient(error) else PublishError
            raise kind(f"Redis refused messages that were unconfirmed when a connection was lost: {error}") from error
