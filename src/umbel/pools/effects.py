"""Make outcomes true: store results, publish what follows.

A store that is away is waited for: the task must not be lost for it. A result that the store refuses for good is lost, and the log says so: the task has
run, and its child has others to run.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from umbel import states
from umbel.app.sending.keyed.claiming import hold_keys
from umbel.app.sending.outbox import Outbox
from umbel.brokers.base import Publisher
from umbel.errors import (
    AccessRefused,
    BrokerBlocked,
    DecodeError,
    EncodeError,
    ImproperlyConfigured,
    MessageReturned,
    OperationalError,
    PublishError,
)
from umbel.execution.completion import iso
from umbel.execution.model import Execution, FreeKey, OpenChord, Verdict
from umbel.leases.base import Lease, LeaseStore
from umbel.messages.task_keys import KEYS
from umbel.reasons import DeadReason
from umbel.results.base import ResultStore
from umbel.results.group_store import CLAIM, ChordClaim, ChordPart, ClaimedElsewhere, GroupStore
from umbel.results.model import Record
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM
from umbel.wire import failures

logger: logging.Logger = logging.getLogger("umbel.child")

#: Times that a message which the broker refuses is tried again (about ten seconds): a full queue may empty, a missing exchange may come.
_REFUSALS = 5
#: Seconds between two looks whether somebody else's claim on a chord's body has ended.
_CLAIM_LOOK, _CLAIM_LOOK_AT_MOST = 0.05, 1.0


class Services(Protocol):
    """An app, as far as effects need it."""

    @property
    def store(self) -> ResultStore | None:
        """The store that keeps results, if any does."""

    @property
    def publisher(self) -> Publisher:
        """Publishes messages."""

    @property
    def outbox(self) -> Outbox:
        """Tells of messages that have been published."""

    @property
    def leases(self) -> LeaseStore:
        """Keeps unique keys."""


class AppEffects:
    """Effects through an app's own store and publisher."""

    def __init__(self, app: Services) -> None:
        self._app = app
        #: Times that a store which refuses us is asked again. One that has refused us all along is asked once for each result.
        self._tries = _REFUSALS

    def store(self, records: list[Record]) -> None:
        """Store records; wait out a store that cannot be reached, turn a result that cannot be written into a failure, give up what is refused."""
        store = self._app.store
        if store is None:
            return
        try:
            _keep(store, records, self._tries)
            self._tries = _REFUSALS
        except (EncodeError, OperationalError):
            self._store_one_by_one(store, records)

    def _store_one_by_one(self, store: ResultStore, records: list[Record]) -> None:
        for record in records:
            try:
                _keep(store, [record], self._tries)
            except (EncodeError, PublishError) as error:
                logger.error("the result of task %s cannot be stored: %s", record.task_id, error)
                record.status = states.FAILURE
                record.result = failures.render(error if isinstance(error, EncodeError) else EncodeError(str(error)))
                record.traceback, record.extended = None, {}
                with contextlib.suppress(OperationalError):  # whoever asked does not want to know
                    _keep(store, [record], self._tries)
            except OperationalError as error:
                if isinstance(error, AccessRefused):
                    self._tries = 0
                logger.critical("the result of task %s (%s) is lost: %s", record.task_id, record.status, error)
            else:
                self._tries = _REFUSALS

    def publish(self, execution: Execution) -> Execution:
        """Publish what follows an execution; return when the broker has it.

        What cannot be delivered or encoded turns the message into a dead letter: it may be replayed when that is cured.
        """
        publisher = self._app.publisher
        messages = execution.publications
        if any(KEYS in message.headers for message, _ in messages):
            hold_keys(self._app, [message for message, _ in messages])
        left, refusals = list(messages), 0
        for delay in delays(first=0.5, most=10.0):
            try:
                while left:
                    message, to = left[0]
                    try:
                        publisher.publish(message, to)
                    except EncodeError as error:  # the others follow all the same
                        del left[0]
                        messages.remove((message, to))
                        execution = self._give_up(execution, error.reason, "encoded", error)
                    else:
                        del left[0]  # the publisher has it now: to publish it again would be to run it twice
                        self._app.outbox.tell_sent(message, to)
                publisher.flush()
            except MessageReturned as error:
                return self._give_up(execution, DeadReason.UNROUTABLE, "delivered", error)
            except OperationalError as error:
                logger.error("what follows task %s waits for the broker: %s", execution.task_id, error)
                if isinstance(error, PublishError) and not isinstance(error, BrokerBlocked):
                    left, refusals = list(messages), refusals + 1  # one was refused; which one, nobody knows
                    if refusals > _REFUSALS:
                        return self._give_up(execution, DeadReason.REFUSED, "published", error)
                time.sleep(delay)
            else:
                break
        return execution

    def free(self, keys: list[FreeKey]) -> None:
        """Free unique keys; what cannot be reached frees them when the worker does not hold them any more."""
        try:
            self._app.leases.release([Lease(key.name, key.task_id, 0.0) for key in keys])
        except (OperationalError, ImproperlyConfigured) as error:
            logger.error("the unique key of task %s is held for some seconds more: %s", keys[0].task_id, error)

    def open_chord(self, chord: OpenChord) -> None:
        """Begin to count a chord, before its header is published; wait out a store that cannot be reached."""
        kept = chord.kept
        if kept is not None:
            self._with_groups(lambda groups: groups.save(*kept))
        self._with_groups(lambda groups: groups.open(chord.group_id, chord.size, chord.header, anew=chord.anew))

    def count(self, parts: list[ChordPart]) -> list[ChordClaim | Exception | None]:
        """Count members of chords. A claim that somebody else has is waited for: its holder closes the chord, or has died.

        What cannot be counted is looked for one by one: the chords of the others go on.
        """
        try:
            turns = self._count(parts)
        except (OperationalError, EncodeError, DecodeError) as error:
            if len(parts) == 1:
                logger.error("the end of task %s cannot be counted, so its chord fails: %s", parts[0].task_id, error)
                return [error]
            return [self.count([part])[0] for part in parts]
        return [self._claim(part, turn) for part, turn in zip(parts, turns, strict=True)]

    def _count(self, parts: list[ChordPart]) -> list[ChordClaim | ClaimedElsewhere | None]:
        return self._with_groups(lambda groups: groups.count(parts)) or [None] * len(parts)

    def _claim(self, part: ChordPart, turn: ChordClaim | ClaimedElsewhere | None) -> ChordClaim | Exception | None:
        if isinstance(turn, ClaimedElsewhere):
            time.sleep(min(max(turn.seconds, _CLAIM_LOOK), _CLAIM_LOOK_AT_MOST))
            return self.count([part])[0]
        return turn

    def kept_body(self, key: str) -> Any:
        """Read a body that waits in the store; ``None`` when it is not there, or cannot be read for good."""
        try:
            return self._with_groups(lambda groups: groups.tree(key))
        except (OperationalError, DecodeError) as error:
            logger.error("the body of a chord that waits as %s cannot be read: %s", key, error)
            return None

    def close_chord(self, claim: ChordClaim, kept: str) -> None:
        """Forget a chord whose body has been published or has failed; take the claim again where it has ended meanwhile."""
        try:
            closed = self._with_groups(lambda groups: groups.close(claim) or (groups.extend(claim, CLAIM) and groups.close(claim)))
            if kept:
                self._with_groups(lambda groups: groups.forget(kept))
        except (OperationalError, DecodeError) as error:
            logger.error("chord %s is not closed, and stays until it expires: %s", claim.group_id, error)
        else:
            if closed is False:
                logger.warning("somebody else had taken the claim on the body of chord %s before it was closed", claim.group_id)

    def _with_groups(self, work: Callable[[GroupStore], Any]) -> Any:
        """Do a step of a chord; wait out a store that cannot be reached.

        Raises:
            OperationalError: the store refuses it for good.
        """
        groups = self._app.store.groups if self._app.store is not None else None
        if groups is None:
            return None
        for delay in delays(first=0.5, most=10.0):
            try:
                return work(groups)
            except OperationalError as error:
                if error.is_permanent or isinstance(error, AccessRefused):
                    raise
                logger.error("a chord waits for the result store: %s", error)
                time.sleep(delay)
        return None

    def _give_up(self, execution: Execution, reason: str, what: str, error: Exception) -> Execution:
        """Make a dead letter of the message; a task that was to be tried again has failed."""
        detail = f"what follows it cannot be {what}: {error}"
        logger.error("task %s: %s", execution.task_id, detail)
        if execution.state == states.RETRY and execution.records:
            record = replace(execution.records[0], status=states.FAILURE, result=failures.render(error), date_done=iso(SYSTEM.now()))
            self.store([record])
        return execution._replace(verdict=Verdict.DEAD, reason=reason, detail=detail)


def _keep(store: ResultStore, records: list[Record], tries: int) -> None:
    """Store records; wait out a store that cannot be reached.

    Args:
        store: the result store.
        records: in one round trip.
        tries: times that it is asked again where it refuses us, or a message with a result: permissions and a full queue may be mended.

    Raises:
        EncodeError: one of them cannot be written.
        PublishError: they travel as messages, and the broker has refused one of them several times: too large, for one.
        OperationalError: the store has refused one of them for good.
    """
    refusals = 0
    for delay in delays(first=0.5, most=10.0):
        try:
            store.store(records)
        except OperationalError as error:
            if isinstance(error, (PublishError, AccessRefused)) and not isinstance(error, BrokerBlocked):
                refusals += 1
                if refusals > tries:
                    raise
            elif error.is_permanent:
                raise
            logger.error("%s for the store: %s", "1 result waits" if len(records) == 1 else f"{len(records):,} results wait", error)
            time.sleep(delay)
        else:
            return
