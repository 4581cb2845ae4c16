"""The thread that reads a client's reply inbox for all who wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from umbel.brokers.base import Delivery, ReplyInbox
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.results.rpc")

#: Seconds without a broker after which waiters give up.
_LONGEST_SILENCE = 30.0


class Reader:
    """Opens an inbox and reads it until `close`; connects again after a lost connection, however long it takes.

    Args:
        inbox: the inbox; closed with the reader.
        on_delivery: is called with each reply, on the thread.
        on_silence: is called, again and again, when the broker has been away for long.

    Raises:
        OperationalError: the broker cannot be reached.
    """

    def __init__(self, inbox: ReplyInbox, on_delivery: Callable[[Delivery], None], on_silence: Callable[[OperationalError], None]) -> None:
        self._inbox = inbox
        self._on_delivery = on_delivery
        self._on_silence = on_silence
        try:
            inbox.open()
        except BaseException:
            inbox.close()
            raise
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="umbel-replies")
        self._thread.start()

    def close(self) -> None:
        """Forget the address and end the thread."""
        self._closing.set()
        self._inbox.close()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def drop(self) -> None:
        """After a fork: let go of what belongs to the parent."""
        self._inbox.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                for delivery in self._inbox.receive():
                    self._on_delivery(delivery)
            except OperationalError as error:
                if not self._closing.is_set():
                    logger.warning("the reply queue is not read now: %s", error)
                    self._reopen()

    def _reopen(self) -> None:
        lost = SYSTEM.monotonic()
        for pause in delays(0.05, 2.0, 2.0):
            if self._closing.wait(pause):
                return
            try:
                self._inbox.open()
            except OperationalError as error:
                if SYSTEM.monotonic() - lost > _LONGEST_SILENCE:
                    self._on_silence(error)
            else:
                return
