"""A publisher's unconfirmed messages, and the thread that looks after them while nobody else does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from umbel.brokers.receipts import Receipts
from umbel.brokers.redis.blocking import Connection, wait_ready
from umbel.brokers.redis.rendering import Item, names_of
from umbel.brokers.redis.replies import is_permanent, is_transient
from umbel.errors import OperationalError, PublishError
from umbel.runtime.backoff import delays
from umbel.wire.redis import scripts
from umbel.wire.redis.resp import Argument, ReplyError

#: Seconds between two looks at the replies while messages are unconfirmed and nobody waits for them.
_LINGER = 0.005
#: How far into a list a message is looked for before it is written again.
_LOOK_BACK = 20_000
#: Seconds without work after which the thread ends.
_IDLE = 30.0


class Unconfirmed:
    """The commands that were written and not answered yet, in order. The publisher's lock is held.

    Args:
        receipts: of the publisher: who is told what became of a message.
    """

    __slots__ = ("bytes", "confirmed", "items", "receipts", "sent")

    def __init__(self, receipts: Receipts) -> None:
        self.receipts = receipts
        self.items: deque[Item] = deque()
        #: Commands ever put in, and ever taken out.
        self.sent = 0
        self.confirmed = 0
        #: Bytes under way, nearly.
        self.bytes = 0

    def __len__(self) -> int:
        return len(self.items)

    def add(self, items: Sequence[Item]) -> None:
        """Take commands that are about to be written."""
        receipts = self.receipts
        if receipts.open:
            for number in range(self.sent + 1, self.sent + len(items) + 1):
                receipts.note(number)
        self.items.extend(items)
        self.sent += len(items)
        self.bytes += sum(map(_size, items))

    def take_back(self, count: int) -> None:
        """Forget the last commands: they were not sent after all, and their caller knows."""
        if self.sent - self.confirmed < count:
            return
        for _ in range(count):
            self.bytes -= _size(self.items.pop())
            self.receipts.confirm(self.sent)
            self.sent -= 1

    def confirm(self) -> None:
        """The server has done the oldest command."""
        self.bytes -= _size(self.items.popleft())
        self.confirmed += 1
        if self.receipts:
            self.receipts.confirm(self.confirmed)

    def refuse(self, error: PublishError) -> None:
        """The server has refused the oldest command."""
        item = self.items[0]
        self.receipts.refuse(self.confirmed + 1, error, *(names_of(item[1]) if item else ("", "")))
        self.confirm()


def _size(item: Item) -> int:
    return 100 if item is None else len(item[0]) + len(item[1]) + 50


def refusal(reply: ReplyError, item: Item) -> PublishError:
    """What a publisher says of a refused command."""
    if item is None:
        where = "a binding or broadcast"
    else:
        task, task_id = names_of(item[1])
        where = f"the message {task}[{task_id}] to list {item[0].decode()!r}" if task_id else f"a message to list {item[0].decode()!r}"
    return PublishError(f"Redis refused {where}: {reply}", permanent=is_permanent(reply))


def publish_again(connection: Connection, items: Sequence[tuple[bytes, bytes]]) -> None:
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


class Reader:
    """Calls ``look`` again and again while there is something to wait for; sleeps otherwise, and ends after a while.

    Args:
        look: reads the replies that have come or mends the connection; returns whether that went well. It never raises.
        waiting: under the publisher's lock: whether there is more to wait for.
        hurried: a socket to wait at when somebody wants to know at once, else ``None``.
        lock: the publisher's.
    """

    def __init__(
        self, look: Callable[[], bool], waiting: Callable[[], bool], hurried: Callable[[], socket.socket | None], lock: threading.RLock
    ) -> None:
        self._look = look
        self._waiting = waiting
        self._hurried = hurried
        self._lock = lock
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        #: It has to be woken; read and written under the lock.
        self.idle = True

    def start(self) -> None:
        """There is something to wait for; the lock is held."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="umbel-redis-publisher", daemon=True)
            self._thread.start()
        self.idle = False
        self._wake.set()

    def hurry(self) -> None:
        """Somebody wants to know as soon as there is nothing left to wait for."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread, soon."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            awake = self._wake.wait(_IDLE)
            with self._lock:
                if not awake and self.idle:
                    self._thread = None
                    return
                self._wake.clear()
            self._follow()

    def _follow(self) -> None:
        """Look until there is nothing left to wait for."""
        pauses = delays(0.1, most=3.0)
        while not self._stopped:
            sock = self._hurried()
            if sock is not None:
                with contextlib.suppress(OSError, ValueError):  # another thread may close it
                    wait_ready(sock, 0.05)
            elif self._wake.wait(_LINGER) and not self._stopped:
                self._wake.clear()
            if not self._look():
                time.sleep(next(pauses))
            with self._lock:
                if not self._waiting():
                    self.idle = True
                    return
