"""The common part of publishers that write ahead and are answered later.

A message is unconfirmed from the moment it is written until its answer has been read; until then it stands in the window
(`umbel.brokers.confirms`). A broker's own publisher renders and writes messages, reads answers, and connects; here is when a call waits for what,
and what it is told.
"""

from __future__ import annotations

import abc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Generic, TypeVar

from umbel.brokers.base import BrokerOptions
from umbel.brokers.confirms.attempts import LastFailure, Retries
from umbel.brokers.confirms.receipts import Receipt, WouldBlock
from umbel.brokers.confirms.window import Window
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.topology import Destination, Outgoing
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime import process_hooks
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers")

T = TypeVar("T")
R = TypeVar("R")


class ConfirmedPublisher(PublisherDefaults, abc.ABC, Generic[T]):
    """A publisher with a window of unconfirmed messages of type ``T``. Thread-safe; one lock is held while anything of it changes.

    Args:
        options: of the broker.
        names: finds a message's task and id in it, for the error that says it was refused.
    """

    def __init__(self, options: BrokerOptions, names: Callable[[T], tuple[str, str]]) -> None:
        super().__init__()
        self._options = options
        self._names = names
        self._retries = Retries(options.publish_retries)
        self._reset()
        process_hooks.attach(after_fork=self.forget, before_exit=self.at_exit)

    def _reset(self) -> None:
        """Begin with no connection and nothing under way."""
        super().__init__()
        self._lock = threading.RLock()
        self._window: Window[T] = Window(self._receipts, self._names)
        #: The thread that holds the lock must not wait: see `receipt`.
        self._at_once = False
        self._failure = LastFailure()

    @abc.abstractmethod
    def forget(self) -> None:
        """Begin anew in a forked child: the connection and what is under way belong to the parent."""

    # what a broker does in its own way

    @abc.abstractmethod
    def _send(self, message: Message, to: Destination, started: float, deadline: float, *, is_confirmed: bool = False) -> None:
        """Write one message and remember it.

        Args:
            message: to send.
            to: its address.
            started: when the call began, monotonic seconds.
            deadline: when it gives up, monotonic seconds.
            is_confirmed: the call waits for the answer, and need not wait for anything else.

        Raises:
            WouldBlock: it may not wait, but would have to.
            OperationalError: the broker cannot be reached.
        """

    @abc.abstractmethod
    def _send_many(self, messages: Iterable[Outgoing]) -> int:
        """Write many messages with few system calls; returns how many."""

    @abc.abstractmethod
    def _take_answers(self, deadline: float) -> str:
        """Read the answers that have come, or connect again; returns why none can come now, or nothing. The lock is held."""

    @abc.abstractmethod
    def _wait_for_answers(self, seconds: float) -> None:
        """Wait a moment for answers, without the lock.

        Args:
            seconds: the most.
        """

    @abc.abstractmethod
    def _unanswered(self, cause: str) -> OperationalError:
        """The error that says that messages are not confirmed in time."""

    @abc.abstractmethod
    def _disconnect(self) -> None:
        """Close the connection; the lock is held, and nothing is under way."""

    def _expect_answers(self) -> None:
        """Note that somebody waits for a receipt."""

    # the contract

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        started = SYSTEM.monotonic()
        deadline = started + (self._options.publish_timeout if timeout is None else timeout)
        if not confirm:
            self._send(message, to, started, deadline)
            return
        with self.receipt() as receipt:
            self._send(message, to, started, deadline, is_confirmed=True)
        self._settle(receipt, deadline)

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        with self.receipt() if confirm else nullcontext(None) as receipt:
            count = self._send_many(messages)
        if receipt is not None and count:
            self._settle(receipt, SYSTEM.monotonic() + self._options.publish_timeout)
        self._receipts.tell()
        return count

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        return self._retries.limited(retries)

    @contextmanager
    def receipt(self, *, wait: bool = True) -> Iterator[Receipt]:
        if wait:
            with self._receipts.opened() as receipt:
                yield receipt
            self._receipts.tell()
        else:
            if not self._lock.acquire(blocking=False):
                raise WouldBlock
            try:
                self._at_once = True
                with self._receipts.opened() as receipt:
                    yield receipt
            finally:
                self._at_once = False
                self._lock.release()
        if not receipt.is_settled:
            self._expect_answers()

    def flush(self, timeout: float | None = None) -> None:
        deadline = SYSTEM.monotonic() + (self._options.publish_timeout if timeout is None else timeout)
        self._await(self._window.number, deadline)
        with self._lock:
            self._receipts.raise_kept()

    def close(self) -> None:
        try:
            if self._window or self._receipts.kept:
                self.flush()
        finally:
            with self._lock:
                self._disconnect()

    def at_exit(self) -> None:
        """Flush before the interpreter ends."""
        if not self._window and not self._receipts.kept:
            return
        try:
            self.close()
        except OperationalError as error:
            logger.error("messages may be lost at exit: %s", error)
            with self._lock:
                self._reset()  # the app closes this publisher once more, and must not wait for them as long again

    # waiting

    def _settle(self, receipt: Receipt, deadline: float) -> None:
        """Return when the messages of a receipt are confirmed.

        Raises:
            OperationalError: they are not in time, or one was refused.
        """
        self._await(receipt, deadline)
        receipt.raise_refusal()

    def _await(self, what: Receipt | int, deadline: float) -> None:
        """Return when the messages of a receipt, or those up to a number, are confirmed or refused.

        Raises:
            OperationalError: they are not in time.
        """
        while True:
            with self._lock:
                cause = self._take_answers(deadline)
                is_over = what.is_settled if isinstance(what, Receipt) else self._window.is_over(what)
            self._receipts.tell()
            if is_over:
                return
            left = deadline - SYSTEM.monotonic()
            if left <= 0:
                raise self._unanswered(cause)
            self._wait_for_answers(left)

    def _try_to_connect(self, attempt: Callable[[], R], deadline: float) -> R:
        """Connect, with as many retries as this thread may make; the lock is held.

        Args:
            attempt: tries once.
            deadline: when to give up, monotonic seconds.

        Raises:
            OperationalError: the last attempt failed, or the broker does not let us in.
        """
        retries = self._retries.allowed
        for number, pause in enumerate(delays(0.05, 2.0, 1.0)):
            try:
                made = attempt()
            except OperationalError as error:
                if isinstance(error, AccessRefused) or number >= retries or SYSTEM.monotonic() + pause >= deadline:
                    self._failure.remember(error, SYSTEM.monotonic())
                    raise
                time.sleep(pause)
            else:
                self._failure.clear()
                return made
        raise AssertionError
