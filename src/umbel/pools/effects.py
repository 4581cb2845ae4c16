"""Make outcomes true: store results, publish what follows. Never gives up on a store that is down, for a task must not be lost for it."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from umbel import states
from umbel.brokers.base import Publisher
from umbel.errors import EncodeError, MessageReturned, OperationalError
from umbel.execution.base import Execution, Verdict
from umbel.results.base import ResultStore
from umbel.results.model import Record
from umbel.runtime.backoff import delays
from umbel.wire import failures

logger = logging.getLogger("umbel.child")


class Services(Protocol):
    """What effects need of an app."""

    @property
    def store(self) -> ResultStore | None:
        """Where results go, if anywhere."""

    @property
    def publisher(self) -> Publisher:
        """How messages leave."""


class AppEffects:
    """Effects through an app's own store and publisher."""

    def __init__(self, app: Services) -> None:
        self._app = app

    def store(self, records: list[Record]) -> None:
        """Store records; wait out a store that cannot be reached, and turn a result that cannot be written into a failure."""
        store = self._app.store
        if store is None:
            return
        for delay in delays(first=0.5, most=10.0):
            try:
                store.store(records)
            except EncodeError:
                break
            except OperationalError as error:
                logger.error("results of %d tasks wait for the store: %s", len(records), error)
                time.sleep(delay)
            else:
                return
        self._store_one_by_one(store, records)

    def _store_one_by_one(self, store: ResultStore, records: list[Record]) -> None:
        for record in records:
            try:
                store.store([record])
            except EncodeError as error:
                logger.error("the result of task %s cannot be stored: %s", record.task_id, error)
                record.status = states.FAILURE
                record.result = failures.render(error)
                record.extended = {}
                store.store([record])

    def publish(self, execution: Execution) -> None:
        """Publish what follows an execution; return when the broker has it.

        What can never be delivered turns the message into a dead letter: it may be replayed when the queue is there.
        """
        publisher = self._app.publisher
        for delay in delays(first=0.5, most=10.0):
            try:
                for message, to in execution.publications:
                    publisher.publish(message, to)
                publisher.flush()
            except MessageReturned as error:
                execution.verdict, execution.reason = Verdict.DEAD, "unroutable"
                execution.detail = f"what follows it cannot be delivered: {error}"
                return
            except OperationalError as error:
                logger.error("what follows task %s waits for the broker: %s", execution.task_id, error)
                time.sleep(delay)
            else:
                return
