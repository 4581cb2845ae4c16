"""Commit executions: store, publish, call handlers. The same for children, for tasks that run in their caller, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from umbel import states
from umbel.canvas.kept_parts import is_part, kept_key
from umbel.errors import ChordError, EncodeError, OperationalError
from umbel.execution.model import CloseChord, CountChord, Effect, Execution, FreeKey, OpenChord, Publish, RunHandlers, Store, Verdict
from umbel.reasons import DeadReason
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.model import Record
from umbel.wire import failures


class EffectSink(Protocol):
    """The store and the publisher that effects go to."""

    def store(self, records: list[Record]) -> None:
        """Store ``records`` in one round trip. A record that cannot be written is stored as a failure, and changed to it."""

    def publish(self, execution: Execution) -> Execution:
        """Publish what follows ``execution``; returns it, with another verdict where that failed, when the broker has it."""

    def open_chord(self, chord: OpenChord) -> None:
        """Begin to count ``chord``."""

    def count(self, parts: list[ChordPart]) -> list[ChordClaim | Exception | None]:
        """Count members of chords, ``parts``; returns the claims on bodies, once no other process has them, and why one can never be counted."""

    def kept_body(self, key: str) -> Any:
        """Read the body of a chord that waits under the name ``key``; ``None`` when it is not there."""

    def close_chord(self, claim: ChordClaim, kept: str) -> None:
        """Forget the chord of ``claim``, and its body where that waits under the name ``kept``."""

    def free(self, keys: list[FreeKey]) -> None:
        """Free unique ``keys`` in one round trip. What cannot be reached frees them by itself."""


class Committer:
    """Does the effects of executions.

    Args:
        sink: store and publish.
        call: calls a task's handlers: (execution, function). They are user code.
    """

    def __init__(self, sink: EffectSink, call: Callable[[Execution, Callable[[], None]], None] | None = None) -> None:
        self._sink = sink
        self._call = call or _call

    def commit(self, burst: list[Execution], done: list[Execution]) -> None:
        """Store the results of all, then publish and call for each.

        Args:
            burst: executions. What is done leaves each, and what is committed leaves the list, so that a second try does nothing twice.
            done: what is committed is added here, as it is now.
        """
        records: list[Record] = []
        freed: list[FreeKey] = []
        counts = False
        for execution in burst:
            for effect in execution.effects:
                kind = type(effect)
                if kind is Store:
                    records.append(effect.record)  # type: ignore[union-attr]  # mypy knows no types behind names
                elif kind is CountChord:
                    counts = True
                elif kind is FreeKey:
                    freed.append(effect)  # type: ignore[arg-type]
        if freed:
            self._sink.free(freed)
        if records:
            self._sink.store(records)
            self._learn_what_failed(burst)
        if counts:
            self._count(burst)
        settled = 0
        try:
            for place, execution in enumerate(burst):
                effects = execution.effects
                # What is stored comes first: where the last effect is that, or there is none, everything is done.
                if execution.has_sent or (effects and type(effects[-1]) is not Store):
                    done.append(self._commit_one(burst, place))
                else:
                    done.append(execution)
                settled += 1
        finally:
            del burst[:settled]

    def _commit_one(self, burst: list[Execution], place: int) -> Execution:
        execution = burst[place]
        calls = tuple([effect for effect in execution.effects if type(effect) is RunHandlers])
        closes = [effect for effect in execution.effects if type(effect) is CloseChord]
        try:
            for effect in execution.effects:
                if type(effect) is OpenChord:
                    self._sink.open_chord(effect)
        except (OperationalError, EncodeError) as error:  # its header would be counted by nobody
            detail = f"what follows it cannot be started: {error}"
            execution = execution._replace(verdict=Verdict.DEAD, reason=DeadReason.REFUSED, detail=detail)
        else:
            if execution.has_sent or any(type(effect) is Publish for effect in execution.effects):
                execution = self._sink.publish(execution)
        for close in closes:
            self._close(close, execution)
        burst[place] = execution._replace(effects=(), has_sent=False)
        for call in calls:
            self._call(execution, call.function)
        return burst[place]

    def _close(self, close: CloseChord, execution: Execution) -> None:
        """Forget a chord; where its body could not be sent, whoever waits for it learns so, and the chord around it, too."""
        if execution.verdict is Verdict.DEAD:
            effects = close.fail(ChordError(f"Callback error: {execution.detail}"))
            self.commit([execution._replace(verdict=Verdict.ACK, effects=effects, has_sent=False)], [])
        self._sink.close_chord(close.claim, close.kept)

    def _count(self, burst: list[Execution]) -> None:
        """Count the members of chords that have ended, and add what is to be done about those that are complete: one may complete another."""
        while True:
            counts = [(place, effect) for place, each in enumerate(burst) for effect in each.effects if type(effect) is CountChord]
            if not counts:
                return
            claims = self._sink.count([effect.part for _, effect in counts])
            for (place, effect), claim in zip(counts, claims, strict=True):
                following: tuple[Effect, ...] = ()
                if isinstance(claim, Exception):
                    error = ChordError(f"The end of {effect.part.task_id} cannot be counted: {claim}")
                    following = effect.fail(self._body_of(effect), error)
                elif claim is not None:
                    following = effect.go_on(self._body_of(effect), claim)
                records = [each.record for each in following if type(each) is Store]
                if records:
                    self._sink.store(records)
                effects = burst[place].effects
                at = next(number for number, each in enumerate(effects) if each is effect)  # their values are anything
                rest = tuple([each for each in following if type(each) is not Store])
                burst[place] = burst[place]._replace(effects=(*effects[:at], *rest, *effects[at + 1 :]))

    def _body_of(self, effect: CountChord) -> Mapping[str, Any]:
        """Read the body of a chord where it waits; what the message carries where it is not there."""
        key = kept_key(effect.body)
        found = self._sink.kept_body(key) if key else None
        return found if is_part(found) else effect.body

    def _learn_what_failed(self, burst: list[Execution]) -> None:
        """Turn an execution whose result could not be written, and was stored as a failure, into that failure."""
        for place, execution in enumerate(burst):
            first = execution.effects[0] if execution.effects else None
            if type(first) is not Store or first.otherwise is None or first.record.status != states.FAILURE:
                continue
            failed = first.otherwise(failures.rebuild(first.record.result))
            rest = failed.records[1:]  # its own is stored
            if rest:
                self._sink.store(rest)
            burst[place] = failed._replace(has_sent=execution.has_sent)


def _call(_execution: Execution, function: Callable[[], None]) -> None:
    function()
