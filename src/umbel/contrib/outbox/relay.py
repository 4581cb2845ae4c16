"""`Relay`: takes committed messages from an outbox, publishes them with confirms, and drops them then.

Whatever ends it, a message is in the table until the broker has it. Killed in between, it, or another relay, publishes the message once more, under the same id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from umbel.brokers.base import Publisher
from umbel.brokers.confirms.receipts import Receipt
from umbel.contrib.outbox.base import Batch, OutboxTable, Row
from umbel.contrib.outbox.rows import read
from umbel.errors import DecodeError, EncodeError, MessageReturned, OperationalError
from umbel.runtime.backoff import delays

logger: logging.Logger = logging.getLogger("umbel.outbox")

#: Messages that are taken at a time.
_MOST: Final = 200
#: Seconds between two looks at an outbox in which nothing waits: the first after some work, and the most.
_SOON, _LATE = 0.01, 0.1
#: Seconds between two attempts while the broker, or the database, is away.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Relay:
    """Empties one outbox. Any number may run at once, in any processes.

    Args:
        table: the outbox.
        publisher: finds the publisher of the app, behind any outbox.
        name: of the outbox, for the log.
    """

    def __init__(self, table: OutboxTable, publisher: Callable[[], Publisher], name: str = "outbox") -> None:
        self._table = table
        self._publisher = publisher
        self.name = name
        self._ended = threading.Event()
        #: Messages that it has published.
        self.published: int = 0

    def stop(self) -> None:
        """Let `run` end after the messages that it has in its hand."""
        self._ended.set()

    def run(self) -> None:
        """Publish what comes, until `stop`."""
        pause, pauses = _SOON, None
        while not self._ended.is_set():
            try:
                count = self.work()
            except OperationalError as error:
                if pauses is None:
                    pauses = delays(_FIRST_PAUSE, most=_LONGEST_PAUSE)
                    logger.error("What waits in the %s stays there, and is tried again: %s", self.name, error)
                self._ended.wait(next(pauses))
                continue
            except Exception:
                logger.exception("The relay of the %s goes on in %s s", self.name, _LONGEST_PAUSE)
                self._ended.wait(_LONGEST_PAUSE)
                continue
            if pauses is not None:
                pauses = None
                logger.warning("The %s is relayed again.", self.name)
            pause = _SOON if count else min(pause * 1.5, _LATE)
            if not count:
                self._ended.wait(pause)
        self._table.close()

    def drain(self) -> int:
        """Publish all that is there now; returns how many messages.

        Raises:
            OperationalError: the broker or the database is away.
        """
        count = 0
        while done := self.work():
            count += done
        return count

    def work(self) -> int:
        """Publish some messages; returns how many were taken.

        Raises:
            OperationalError: the broker or the database is away. What the broker had by then is dropped, the rest stays.
        """
        away: OperationalError | None = None
        taken = 0
        with self._table.batch(_MOST) as batch:
            if batch is not None:
                taken = len(batch.rows)
                away = self._publish(batch)  # raised behind the block, so that what was done is kept
        if away is not None:
            raise away
        return taken

    def _publish(self, batch: Batch) -> OperationalError | None:
        """Publish the messages of a batch in their order, and learn of each whether the broker has it; returns what keeps some of them here."""
        publisher = self._publisher()
        under_way: list[tuple[int, Row, Receipt]] = []
        away: OperationalError | None = None
        for number, row in batch.rows:
            try:
                message, to = read(row)
                with publisher.receipt() as receipt:
                    publisher.publish(message, to)
            except (DecodeError, EncodeError, MessageReturned) as error:
                self._refuse(batch, number, row, error)
            except OperationalError as error:
                away = error
                break  # those behind it must not overtake it
            else:
                under_way.append((number, row, receipt))
        try:
            publisher.flush()
        except OperationalError as error:
            away = away or error
        for number, row, receipt in under_way:
            if receipt.error is not None and receipt.error.is_permanent:
                self._refuse(batch, number, row, receipt.error)
            else:
                away = away or receipt.error
        taken = [number for number, _, receipt in under_way if receipt.is_settled and receipt.error is None]
        batch.done(taken)
        self.published += len(taken)
        return away

    def _refuse(self, batch: Batch, number: int, row: Row, error: Exception) -> None:
        logger.error("Task %s[%s] is refused, and put aside in the %s: %s", row.task or "?", row.task_id or "?", self.name, error)
        batch.refuse(number, f"{type(error).__name__}: {error}")
