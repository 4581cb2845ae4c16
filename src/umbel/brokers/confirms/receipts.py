"""Telling what became of a message: to its own caller, else to the log.

A publisher numbers its messages. A thread that wants to know what becomes of those that it publishes opens a `Receipt`; a message that is
refused and belongs to no receipt is logged, signalled (``task_publish_failed``) and raised by the next `Publisher.flush` or ``close``.
No other call is told of it, and none is left unsent for it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final

from umbel import hooks
from umbel.errors import PublishError

logger: logging.Logger = logging.getLogger("umbel.brokers")

#: Refusals that are kept for `Refusals.raise_kept`; of more only the number.
_MOST_KEPT: Final = 100

Callback = Callable[[BaseException | None], None]


class WouldBlock(Exception):
    """Publishing now would have to wait: for the broker, for another thread, or for room in the window."""


class Receipt:
    """The fate of the messages that one thread published inside one block.

    It is settled by whichever thread reads the broker's answers.
    """

    __slots__ = ("_callback", "_is_sealed", "_lock", "_pending", "error", "refused")

    def __init__(self) -> None:
        #: The first refusal.
        self.error: PublishError | None = None
        #: How many messages were refused.
        self.refused: int = 0
        self._pending = 0
        self._is_sealed = False
        self._callback: Callback | None = None
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one more message."""
        self._pending += 1

    def settle(self, error: PublishError | None) -> bool:
        """Note that one message was confirmed, or refused; returns whether `call` is due now.

        Args:
            error: the refusal; ``None`` for a confirmed message.
        """
        with self._lock:
            self._pending -= 1
            if error is not None:
                self.refused += 1
                self.error = self.error or error
            return self.is_settled and self._callback is not None

    def seal(self) -> None:
        """No more messages will come."""
        self._is_sealed = True
        self.call()

    def when_settled(self, callback: Callback) -> None:
        """Call back once, from any thread, when all messages are confirmed or refused.

        Args:
            callback: called with ``None``, or with the first refusal.
        """
        with self._lock:
            self._callback = callback
        self.call()

    def call(self) -> None:
        """Call back, if it is time and was not done before."""
        with self._lock:
            if not self.is_settled or self._callback is None:
                return
            callback, self._callback = self._callback, None
        try:
            callback(None if self.error is None else raised(self.error, self.refused - 1))
        except Exception:
            logger.exception("a callback of a receipt failed")

    @property
    def is_settled(self) -> bool:
        """Tell whether every message is confirmed or refused."""
        return self._is_sealed and not self._pending

    def raise_refusal(self) -> None:
        """Raise the first refusal, which says how many there are.

        Raises:
            PublishError: a message was refused.
        """
        if self.error is not None:
            raise raised(self.error, self.refused - 1)


def raised(error: PublishError, more: int = 0) -> PublishError:
    """Make a new exception of the same kind: one that was raised before would carry its old traceback along.

    Args:
        error: the refusal that was kept.
        more: messages that were refused besides.
    """
    return type(error)(f"{error} (and {more} more messages)" if more else str(error), permanent=error.is_permanent)


class Receipts:
    """The open receipts of one publisher. The publisher's lock is held around every call but `opened` and `tell`."""

    def __init__(self) -> None:
        #: Message number → its receipt; empty while nobody asks what becomes of anything, which the hot path looks at.
        self.watched: dict[int, Receipt] = {}
        self._local = threading.local()
        #: How many blocks are open: the hot path looks at nothing else.
        self.open: int = 0
        self._due: list[Receipt] = []
        self._kept: list[PublishError] = []
        self._dropped = 0
        self._untold: list[tuple[int, PublishError, str, str]] = []

    def __bool__(self) -> bool:
        return bool(self.watched)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Receipt]:
        """Open a receipt for what this thread publishes inside the block."""
        receipt, before = Receipt(), getattr(self._local, "receipt", None)
        self._local.receipt = receipt
        self.open += 1
        try:
            yield receipt
        finally:
            self.open -= 1
            self._local.receipt = before
            receipt.seal()

    def note(self, number: int) -> None:
        """Have a message that is about to be written belong to this thread's receipt.

        Args:
            number: of the message.
        """
        receipt: Receipt | None = getattr(self._local, "receipt", None)
        if receipt is not None:
            receipt.add()
            self.watched[number] = receipt

    def confirm(self, number: int) -> None:
        """Note that the broker has a message; or that it was not sent after all, which its caller knows.

        Args:
            number: of the message.
        """
        self._settle(number, None)

    def refuse(self, number: int, error: PublishError, task: str = "", task_id: str = "") -> None:
        """Note that the broker did not take a message.

        Args:
            number: of the message.
            error: how.
            task: its task's name, where it has one.
            task_id: its task's id, where it has one.
        """
        if self._settle(number, error):
            return
        if len(self._kept) < _MOST_KEPT:
            self._kept.append(error)
        else:
            self._dropped += 1
        self._untold.append((number, error, task, task_id))

    def _settle(self, number: int, error: PublishError | None) -> bool:
        receipt = self.watched.pop(number, None)
        if receipt is not None and receipt.settle(error):
            self._due.append(receipt)
        return receipt is not None

    def raise_own(self, first: int) -> None:
        """Raise, in the call that wrote it, what was refused while the call still waited. It counts as told.

        Args:
            first: the number of the call's first message; nobody has written since.

        Raises:
            PublishError: a message of the call was refused.
        """
        own = [news for news in self._untold if news[0] >= first]
        if own:
            self._untold = [news for news in self._untold if news[0] < first]
            errors = [error for _, error, _, _ in own]
            self._kept = [error for error in self._kept if error not in errors]
            raise raised(errors[0], len(errors) - 1)

    @property
    def has_news(self) -> bool:
        """Tell whether `tell` has something to do."""
        return bool(self._due or self._untold)

    def tell(self) -> None:
        """Call back, log and signal what belongs to no receipt. Without the publisher's lock: callbacks and listeners may publish."""
        due, self._due = self._due, []
        untold, self._untold = self._untold, []
        for receipt in due:
            receipt.call()
        for _, error, task, task_id in untold:
            logger.error("a message was not taken: %s", error)
            hooks.task_publish_failed.send(task or None, task_id=task_id or None, exception=error)

    @property
    def kept(self) -> int:
        """The number of refusals that were raised in no call."""
        return len(self._kept) + self._dropped

    def raise_kept(self) -> None:
        """Raise what was refused and belongs to no receipt, once.

        Raises:
            PublishError: something was.
        """
        if self._kept:
            kept, count = self._kept, self.kept
            self._kept, self._dropped = [], 0
            raise raised(kept[0], count - 1)
