"""The following of tasks that no child can conclude: those that never ran, and those whose child has died.

Their chord must learn of it, whoever waits for the rest of their chain, and their error callbacks. It is done in a thread, before the message is settled: what
cannot be done now is tried again, and where the worker stops meanwhile, the message comes again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from umbel.app.app import Umbel
from umbel.app.sending.keyed.claiming import hold_keys
from umbel.brokers.base import Delivery
from umbel.errors import DecodeError, EncodeError, OperationalError
from umbel.execution.committing import Committer
from umbel.execution.model import Execution, FreeKey, Job, OpenChord
from umbel.messages.v2 import nothing_follows
from umbel.results.group_store import ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.model import Record
from umbel.runtime.backoff import delays

logger: logging.Logger = logging.getLogger("umbel.worker")


class Following:
    """Does what follows the tasks of one worker.

    Args:
        app: whose tasks.
        hostname: of the worker.
    """

    def __init__(self, app: Umbel, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._runner: Any = None
        self._lock = threading.Lock()

    async def follow(self, delivery: Delivery, error: BaseException, status: str) -> None:
        """Do what follows a task that has ended so; returns when it is done, or can never be done.

        Args:
            delivery: its message.
            error: what ended it.
            status: FAILURE or REVOKED.
        """
        if nothing_follows(delivery.body):
            return
        for delay in delays(first=0.5, most=10.0):
            try:
                await asyncio.to_thread(self._follow, delivery, error, status)
            except OperationalError as problem:
                task_id = delivery.headers.get("id")
                if problem.is_permanent:
                    logger.critical("what follows task %s (%s) is lost: %s", task_id, status, problem)
                    return
                logger.error("what follows task %s (%s) waits: %s", task_id, status, problem)
                await asyncio.sleep(delay)
            except Exception:
                logger.exception("what follows task %s (%s) is lost", delivery.headers.get("id"), status)
                return
            else:
                return

    def _follow(self, delivery: Delivery, error: BaseException, status: str) -> None:
        with self._lock:  # one at a time: there are few of them, and they come in floods
            if self._runner is None:
                self._runner = self._app.runner(self._hostname)
            execution = self._runner.conclude_unexecuted(_job_of(delivery), error, status)
            if execution is not None and execution.effects:
                Committer(_Sink(self._app)).commit([execution], [])


def _job_of(delivery: Delivery) -> Job:
    return Job(
        0, delivery.headers, delivery.body, delivery.content_type, delivery.content_encoding, delivery.properties, delivery.exchange,
        delivery.routing_key, delivery.redelivered,
    )  # fmt: skip


class _Sink:
    """An `execution.committing.EffectSink` that waits for nobody: what fails is tried again as a whole.

    Args:
        app: whose store and publisher are used.
    """

    def __init__(self, app: Umbel) -> None:
        self._app = app

    def store(self, records: list[Record]) -> None:
        if self._app.store is not None:
            self._app.store.store(records)

    def publish(self, execution: Execution) -> Execution:
        hold_keys(self._app, [message for message, _ in execution.publications])
        for message, to in execution.publications:
            self._app.publisher.publish(message, to)
        self._app.publisher.flush()
        return execution

    def open_chord(self, chord: OpenChord) -> None:
        if self._app.store is not None and self._app.store.groups is not None:
            if chord.kept is not None:
                self._app.store.groups.save(*chord.kept)
            self._app.store.groups.open(chord.group_id, chord.size, chord.header, anew=chord.anew)

    def count(self, parts: list[ChordPart]) -> list[ChordClaim | Exception | None]:
        groups = self._app.store.groups if self._app.store is not None else None
        if groups is None:
            return [None] * len(parts)
        try:
            turns = groups.count(parts)
        except (OperationalError, EncodeError, DecodeError) as error:
            if isinstance(error, OperationalError) and not error.is_permanent:
                raise
            return [error] * len(parts)  # one task's, and those of the chords around it
        busy = next((turn for turn in turns if isinstance(turn, ClaimedElsewhere)), None)
        if busy is not None:
            raise OperationalError(f"somebody else has the claim on the body of its chord, for {busy.seconds:.1f} s at most")
        return [turn for turn in turns if not isinstance(turn, ClaimedElsewhere)]

    def free(self, keys: list[FreeKey]) -> None:
        """Nothing to do: the worker has freed the key of a task that it ends itself."""

    def kept_body(self, key: str) -> Any:
        if self._app.store is None or self._app.store.groups is None:
            return None
        return self._app.store.groups.tree(key)

    def close_chord(self, claim: ChordClaim, kept: str) -> None:
        if self._app.store is not None and self._app.store.groups is not None:
            self._app.store.groups.close(claim)
            if kept:
                self._app.store.groups.forget(kept)
