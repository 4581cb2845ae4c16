"""Waiting for keys of Redis to be announced, in threads.

A waiter subscribes to the key's channel and reads the key in the same breath, on one RESP3 connection: what was stored before is read, what
is stored later is pushed. It reads the key again every two seconds and whenever the connection was lost, so that a lost announcement
(PUBLISH promises nothing) delays a result but never loses it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import BlockingConnection, wait_ready
from umbel.clients.redis.connections import tell_away
from umbel.clients.redis.replies import is_transient, translate
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.redis.resp import Push, ReplyError, pack

#: Seconds between two readings of the key while nothing is announced.
READ_AGAIN = 2.0
#: Seconds without a server after which a waiter gives up.
PATIENCE = 30.0

logger: logging.Logger = logging.getLogger("umbel.results")


class _Wait:
    """One thread that waits for a key."""

    __slots__ = ("answered", "asked", "began", "end", "error", "gate", "home", "name", "number", "sleeping", "values")

    def __init__(self, key: str, end: float) -> None:
        self.name = key.encode()
        #: When its time is over (monotonic).
        self.end = end
        #: What has been read and announced and was not looked at.
        self.values: list[bytes] = []
        self.error: OperationalError | None = None
        #: When it began, and when the key was last asked for, or somebody began to connect (monotonic).
        self.began = self.asked = 0.0
        #: Only readings with this number or a later one were asked for after the wait began.
        self.number = 0
        self.answered = False
        #: The lock of the state it is part of: after a fork there is another one.
        self.home: threading.Lock | None = None
        #: Held, until it has to wake up.
        self.gate: threading.Lock | None = None
        self.sleeping = False

    def left(self, now: float, *, is_lost: bool) -> float:
        """Seconds that it waits on: its key is read once, however short its time is, unless the server is silent or away."""
        return (self.end if self.answered or is_lost else max(self.end, self.asked + READ_AGAIN)) - now

    def fall_asleep(self) -> threading.Lock:
        """Return the lock to wait for."""
        if self.gate is None:
            self.gate = threading.Lock()
        self.gate.acquire(blocking=False)
        self.sleeping = True
        return self.gate

    def rouse(self) -> None:
        """Wake its thread."""
        if self.sleeping and self.gate is not None:
            self.sleeping = False
            self.gate.release()


class Watch:
    """The waiting of a process's threads, over one connection.

    A waiting thread that finds nobody reading reads for all of them, and wakes those for whom something has come. When it has got what it
    waits for, it wakes another one, which reads on. So a thread that waits alone reads its own result, with no other thread in between. What
    was read is decoded, and handed to the user's callbacks, by the thread that waits for it, while another one reads.

    All that follows is guarded by ``_lock``, which is never held while waiting: nobody writes to the connection or reads from it without it (two
    threads must not use one TLS connection at once). Only the reader connects and closes.

    Args:
        candidates: the servers, in order.
        timeout: seconds that a login may take.
    """

    def __init__(self, candidates: Sequence[Address], timeout: float) -> None:
        self._candidates = candidates
        self._timeout = timeout
        self._connection: BlockingConnection | None = None
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[bytes, list[_Wait]] = {}
        self._reader: _Wait | None = None
        #: What will be answered: command, channel, number of the reading, when it was sent.
        self._expected: deque[tuple[bytes, bytes, int, float]] = deque()
        self._number = 0
        #: When something came, when it was a reply, and when all keys are read again (monotonic).
        self._heard = self._contact = self._read_at = 0.0
        #: Why there is no connection, once one was tried; when the next one is.
        self._problem: OperationalError | None = None
        self._retry_at = 0.0
        self._pauses = delays(0.05, most=1.0)
        self._told = self._closed = False

    def forget(self) -> None:
        """In a forked child: the connection belongs to the parent, where all other waiting threads have stayed."""
        connection, self._connection = self._connection, None
        self._reset()
        if connection is not None:
            connection.close()  # our copy of the descriptor only

    def close(self) -> None:
        """Disconnect; when somebody waits, as soon as nobody does."""
        with self._lock:
            self._closed = True
            self._close_unused()

    def wait(self, key: str, timeout: float | None, is_last: Callable[[bytes], bool]) -> bool:
        """Call back with each value of a key, now and as it is announced, until the callback says that it was the last.

        Args:
            key: the key, which is the channel too.
            timeout: seconds; ``None`` is for ever.
            is_last: called in this thread.

        Returns:
            Whether there was a last value in time. The key is read once, however short the time is.

        Raises:
            OperationalError: there has been no server for half a minute, or there is none when the time is over.
        """
        wait = _Wait(key, math.inf if timeout is None else time.monotonic() + timeout)
        try:
            while True:
                if wait.home is not self._lock:  # it begins; or a callback has forked, and this is the child
                    self._join(wait)
                values = self._next(wait)
                for value in values:
                    if is_last(value):
                        return True
                if not values:
                    return False
        finally:
            self._leave(wait)

    def _join(self, wait: _Wait) -> None:
        with self._lock:
            wait.home = self._lock
            now = wait.began = wait.asked = time.monotonic()
            if not self._waits:
                self._begin_anew(now)
            self._waits.setdefault(wait.name, []).append(wait)
            wait.number = self._number + 1
            if self._connection is not None:
                self._ask((wait.name,), now)

    def _begin_anew(self, now: float) -> None:
        """Nobody was waiting: see whether the connection still works."""
        self._closed, self._problem, self._retry_at = False, None, 0.0
        self._heard, self._read_at = now, now + READ_AGAIN
        if self._connection is not None:
            try:
                self._receive(self._connection)  # confirmations of UNSUBSCRIBE, and late announcements
            except OperationalError:
                self._drop()

    def _leave(self, wait: _Wait) -> None:
        with self._lock:
            if wait.home is not self._lock:
                return
            if self._reader is wait:
                self._reader = None
            waits = self._waits.get(wait.name, [])
            if wait in waits:
                waits.remove(wait)
            if not waits:
                self._waits.pop(wait.name, None)
                self._send(pack("UNSUBSCRIBE", wait.name), [(b"unsubscribe", wait.name, 0, time.monotonic())])
            self._close_unused()
            self._wake_a_reader()

    def _close_unused(self) -> None:
        if self._closed and not self._waits:
            self._drop()

    def _wake_a_reader(self) -> None:
        if self._reader is None:
            for waits in self._waits.values():
                for wait in waits:
                    if wait.sleeping:
                        wait.rouse()
                        return

    def _next(self, wait: _Wait) -> list[bytes]:
        """Return what has come for a wait; nothing when its time is over."""
        while True:
            gate = None
            with self._lock:
                wait.sleeping = False
                if wait.error is not None:
                    raise wait.error.with_traceback(None)
                if wait.values:
                    values, wait.values = wait.values, []
                    return values
                now = time.monotonic()
                left = wait.left(now, is_lost=self._problem is not None)
                if left <= 0:
                    if wait.answered and self._problem is None:
                        return []
                    raise self._problem or OperationalError("the result store does not answer")
                if self._reader is None:
                    self._reader = wait
                else:
                    gate = wait.fall_asleep()
            if gate is not None:
                # Not for ever: a reader may have been interrupted (KeyboardInterrupt, a soft time limit) when it was about to wake another one.
                gate.acquire(timeout=min(left if now >= wait.end else wait.end - now, READ_AGAIN))
                continue
            try:
                self._read(wait)
            finally:
                with self._lock:
                    if self._reader is wait:
                        self._reader = None
                    self._wake_a_reader()

    def _read(self, wait: _Wait) -> None:
        """Read for everybody until something has come for this wait or its time is over."""
        while not wait.values and wait.error is None:
            now = time.monotonic()
            left = wait.left(now, is_lost=self._problem is not None)
            if left <= 0:
                return
            connection = self._connection
            if connection is None:
                if self._retry_at > now:
                    time.sleep(min(left, self._retry_at - now))
                else:
                    self._connect()
                continue
            ready = False
            with contextlib.suppress(OSError, ValueError):  # lost: reading says it
                ready = wait_ready(connection.sock, min(left, max(0.0, self._read_at - now)), write=bool(connection.unsent))
            with self._lock:
                try:
                    self._turn(connection, ready=ready)
                except OperationalError as error:
                    self._lose(error)

    def _turn(self, connection: BlockingConnection, *, ready: bool) -> None:
        now = time.monotonic()
        if ready:
            self._heard = now
        if connection.unsent:
            connection.send_now(b"")
        self._receive(connection)
        if self._expected and now - max(self._heard, self._expected[0][3]) >= READ_AGAIN:
            raise OperationalError(f"{connection.address.public()} does not answer")
        if now >= self._read_at:
            self._ask(list(self._waits), now)
            self._read_at = now + READ_AGAIN

    def _receive(self, connection: BlockingConnection) -> None:
        try:
            replies = connection.receive_now()
            for reply in replies:
                self._take(reply)
        except OperationalError:
            raise
        except BaseException:  # an interruption: which reply is to which command is not known any more
            self._drop()
            raise
        if replies:
            self._contact = time.monotonic()
            if self._problem is not None:
                self._problem, self._told, self._pauses = None, False, delays(0.05, most=1.0)

    def _take(self, reply: Any) -> None:
        """Hand on one reply, or what is announced."""
        if type(reply) is Push and reply[0] == b"message":
            for wait in self._waits.get(reply[1], ()):
                wait.values.append(reply[2])
                wait.rouse()
            return
        if type(reply) is Push and reply[0] not in {b"subscribe", b"unsubscribe"}:
            return
        command, name, number, _ = self._expected.popleft() if self._expected else (b"", b"", 0, 0.0)
        if isinstance(reply, ReplyError):
            self._refuse(command, name, reply)
        elif type(reply) is Push:
            if reply[:2] != [command, name]:
                raise OperationalError("the result store answers what nobody asked")
        elif command != b"get":
            raise OperationalError("the result store answers what nobody asked")
        else:
            for wait in self._waits.get(name, ()):
                if wait.number <= number:
                    wait.answered = True
                    if reply is not None:
                        wait.values.append(reply)
                    if wait.values or time.monotonic() >= wait.end:
                        wait.rouse()

    def _refuse(self, command: bytes, name: bytes, reply: ReplyError) -> None:
        error = translate(reply, "to read a result")
        if is_transient(reply):
            raise error
        if command != b"unsubscribe":
            for wait in self._waits.get(name, ()):
                wait.error = error
                wait.rouse()

    def _ask(self, names: Sequence[bytes], now: float) -> None:
        """Subscribe to some channels, and read their keys."""
        self._number += 1
        expected: list[tuple[bytes, bytes, int, float]] = []
        for name in names:
            expected += (b"subscribe", name, self._number, now), (b"get", name, self._number, now)
            for wait in self._waits.get(name, ()):
                wait.asked = wait.asked if wait.answered else now
        self._send(b"".join(pack("SUBSCRIBE", name) + pack("GET", name) for name in names), expected)

    def _send(self, data: bytes, expected: Sequence[tuple[bytes, bytes, int, float]]) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.send_now(data)
            self._expected.extend(expected)
        except OperationalError as error:
            self._give_up(connection, error)
        except BaseException as error:  # an interruption: which reply is to which command is not known any more
            self._give_up(connection, OperationalError(f"interrupted: {type(error).__name__}"))
            raise

    def _give_up(self, connection: BlockingConnection, error: OperationalError) -> None:
        """The connection is of no use: the reader, who may be waiting for it, closes it, or connects anew."""
        if self._reader is None:
            self._lose(error)
        else:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._expected.clear()
        if connection is not None:
            connection.close()

    def _lose(self, error: OperationalError) -> None:
        """There is no connection, or no more; who has waited for one for long is told."""
        self._drop()
        now = time.monotonic()
        self._problem, self._retry_at = error, now + next(self._pauses)
        for waits in self._waits.values():
            for wait in waits:
                since = max(self._contact, wait.began)
                self._told = self._told or tell_away("result store", error, since, since + PATIENCE)
                if isinstance(error, AccessRefused) or now - since > PATIENCE:
                    wait.error = error
                    wait.rouse()

    def _connect(self) -> None:
        connection: BlockingConnection | None = None
        try:
            connection = BlockingConnection.open_any(self._candidates, self._timeout)
            connection.call("HELLO", 3)
        except (OperationalError, ReplyError) as error:
            if connection is not None:
                connection.close()
            known = translate(error, "RESP3 (waiting for results needs Redis 6 or later)") if isinstance(error, ReplyError) else error
            with self._lock:
                self._lose(known)
            return
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        with self._lock:
            now = self._heard = time.monotonic()
            self._connection, self._read_at = connection, now + READ_AGAIN
            self._ask(list(self._waits), now)
