"""Redis' answers to a publisher: what they mean, how far it goes ahead of them, and the thread that reads them while nobody else does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from umbel.brokers.confirms.waiting import WaitBudget
from umbel.brokers.confirms.window import Window
from umbel.brokers.redis.rendering import Item, names_of
from umbel.brokers.redis.topology import declare_address
from umbel.brokers.topology import Queue
from umbel.clients.redis.connection_blocking import BlockingConnection, wait_ready
from umbel.clients.redis.replies import is_permanent, is_transient, warn_of_eviction
from umbel.errors import OperationalError, PublishError
from umbel.runtime.backoff import delays
from umbel.wire.redis import scripts
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import Argument, ReplyError

#: Seconds between two looks at the replies while messages are unconfirmed and nobody waits for them.
_LINGER = 0.005
#: Bytes that Redis reads from a connection at once (16 KiB), less some for what surrounds a message.
ONE_READ = 15_000
#: Seconds that a call waits, at most, for Redis to read what came before. What does not answer for so long is waited for again when it has.
_CATCH_UP = 0.25
#: Calls of a process that always wait: with `appendfsync always` a server takes milliseconds to read, and a process that was ended lost 79 of 10,000.
_FIRST_CALLS = 500
#: Messages that are published again by one script.
_BATCH = 200
#: How far into a list a message is looked for before it is written again.
_LOOK_BACK = 20_000
#: Seconds without work after which the thread ends.
_IDLE = 30.0


def settle(window: Window[Item], replies: Sequence[object]) -> str:
    """Take in the next replies; returns why the connection is of no more use, or nothing."""
    if len(replies) > len(window):
        return "answered what nobody asked"
    for reply in replies:
        if not isinstance(reply, ReplyError):
            window.confirm_next()
        elif is_transient(reply):
            return f"takes no messages now ({reply})"
        else:
            window.refuse_next(refusal(reply, window.next()))
    return ""


def publish_again(window: Window[Item], connection: BlockingConnection) -> None:
    """Write all that is unconfirmed over a new connection, and wait for the answers."""
    left = window.restart()
    while batch := list(islice(left, _BATCH)):
        _publish_again(connection, [item for item in batch if item is not None])
        for _ in batch:
            window.confirm_next()


class Pace:
    """The distance that a publisher goes ahead of its server."""

    def __init__(self) -> None:
        self._budget = WaitBudget.of_process(_FIRST_CALLS)
        #: The server answered when a call last waited for it. One that does not is not waited for by every call.
        self.answers: bool = True

    def most(self, now: float) -> int | None:
        """Bytes that may be under way when a call returns; ``None`` where it does not wait."""
        if not self.answers:
            return None
        return 0 if self._budget.allows(now) else ONE_READ

    def catch_up(self, most: int, started: float, under_way: Callable[[], int], wait: Callable[[float], None]) -> None:
        """Wait a moment until not more than so many bytes are under way.

        Args:
            most: bytes.
            started: now, in seconds of the monotonic clock.
            under_way: bytes that are; 0 when the connection is lost.
            wait: for replies, at most so many seconds, and takes them in.
        """
        now = started
        while under_way() > most:
            left = started + _CATCH_UP - now
            if left <= 0 or (not most and self._budget.is_spent):
                self.answers = left > 0
                return
            wait(left)
            before, now = now, time.monotonic()
            self._budget.spend(now - before, now)


def size_of(item: Item) -> int:
    """Bytes that a command counts for in the window."""
    return 100 if item is None else len(item[0]) + len(item[1]) + 50


def names_in(item: Item) -> tuple[str, str]:
    """The task and the id of the message that a command carries, empty where there is none."""
    return names_of(item[1]) if item else ("", "")


def refusal(reply: ReplyError, item: Item) -> PublishError:
    """Make the error of a refused command."""
    if item is None:
        where = "a binding or broadcast"
    else:
        task, task_id = names_of(item[1])
        where = f"the message {task}[{task_id}] to list {item[0].decode()!r}" if task_id else f"a message to list {item[0].decode()!r}"
    return PublishError(f"Redis refused {where}: {reply}", permanent=is_permanent(reply))


def declare_again(connection: BlockingConnection, keys: Keys, queues: Iterable[Queue]) -> list[ReplyError]:
    """Make queues known over a new connection; returns what was refused for good.

    Raises:
        OperationalError: the server takes nothing now, or the connection broke.
    """
    commands = [command for queue in queues for command in declare_address(keys, queue)]
    memory, *replies = connection.pipeline([("INFO", "memory"), *commands])
    warn_of_eviction(memory, connection.address.public())
    refused = [reply for reply in replies if isinstance(reply, ReplyError)]
    for reply in refused:
        if is_transient(reply):
            raise OperationalError(f"Redis takes no declarations now: {reply}")
    return refused


def _publish_again(connection: BlockingConnection, items: Sequence[tuple[bytes, bytes]]) -> None:
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
        self.idle: bool = True

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
