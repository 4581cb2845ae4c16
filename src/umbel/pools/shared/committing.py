"""Committing in groups: whatever has ended in any slot while one burst was stored is stored in the next, in one round trip.

It happens in a thread of its own, so that neither a slot nor an event loop waits for a store or a broker. User code does not run here: an execution that has
handlers is committed by its slot (`commit_alone`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from umbel.execution.committing import Committer, EffectSink
from umbel.execution.model import Execution, RunHandlers, Verdict
from umbel.pools.base import Outcome
from umbel.pools.executor import outcome_of
from umbel.reasons import DeadReason
from umbel.runtime.failpoints import ARMED, hit

logger: logging.Logger = logging.getLogger("umbel.child")

#: Executions in one burst, at most: the first of them waits for the last.
_MOST = 500

Report = Callable[[list[Outcome]], None]


class GroupCommit:
    """Commits what has ended, and reports it.

    Args:
        sink: store and publish.
        report: tells the parent.
    """

    def __init__(self, sink: EffectSink, report: Report) -> None:
        self._committer = Committer(sink)
        self._report = report
        #: The place of a slot, and what has ended there; ``None`` at the end.
        self._ended: SimpleQueue[tuple[int, Execution] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="umbel-commit", daemon=True)
        self._thread.start()

    def put(self, slot: int, execution: Execution) -> None:
        """Commit soon what has ended in a slot; from any thread.

        Args:
            slot: its place.
            execution: without handlers.
        """
        self._ended.put((slot, execution))

    def close(self) -> None:
        """Commit what is left, and end."""
        self._ended.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = self._ended
        while (first := ended.get()) is not None:
            burst = [first]
            while len(burst) < _MOST and not ended.empty():
                following = ended.get()
                if following is None:
                    ended.put(None)
                    break
                burst.append(following)
            commit(self._committer, burst, self._report)


def commit_alone(sink: EffectSink, report: Report, slot: int, execution: Execution, call: Callable[[Callable[[], None]], None]) -> None:
    """Commit one execution in this thread, and run its handlers.

    Args:
        sink: store and publish.
        report: tells the parent.
        slot: the place of the slot that ran it.
        execution: what has ended.
        call: calls a handler, which is user code.
    """

    def handle(_execution: Execution, function: Callable[[], None]) -> None:
        try:
            call(function)
        except BaseException as error:  # sys.exit, say: it must not end the neighbours
            logger.error(
                "Task %s[%s]: a handler ended by %r; the state of the task does not change", execution.task_name, execution.task_id, error
            )

    commit(Committer(sink, handle), [(slot, execution)], report)


def commit(committer: Committer, burst: list[tuple[int, Execution]], report: Report) -> None:
    """Commit a burst and report it. What cannot be committed, for a reason that nobody has foreseen, becomes a dead letter, and the others go on.

    Args:
        committer: does the effects.
        burst: places of slots, and what has ended there.
        report: tells the parent.
    """
    places = {execution.number: slot for slot, execution in burst}
    left = [execution for _, execution in burst]
    done: list[Execution] = []
    while left:
        try:
            committer.commit(left, done)
        except Exception as error:
            if len(left) > 1:  # one of them is to blame: find it
                for execution in left:
                    commit(committer, [(places[execution.number], execution)], report)
                break
            logger.exception(
                "Task %s[%s]: its end cannot be committed; its message becomes a dead letter", left[0].task_name, left[0].task_id
            )
            detail = f"its end cannot be committed: {type(error).__name__}: {error}"
            done.append(left.pop()._replace(verdict=Verdict.DEAD, reason=DeadReason.FAILED, detail=detail))
    if ARMED:
        hit("after_commit_before_report")
    if done:
        report([outcome_of(execution, places[execution.number]) for execution in done])


def has_handlers(execution: Execution) -> bool:
    """Report whether an ``execution`` asks for user code to be run."""
    return any(type(effect) is RunHandlers for effect in execution.effects)
