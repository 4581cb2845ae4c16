"""Conclusions: from what a task returned or raised to its state, its record, what follows it, and the handlers that run."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

from umbel import states
from umbel.canvas import shapes
from umbel.errors import Ignore, Reject, Retry
from umbel.execution import completion, retrying
from umbel.execution.concluding import handlers
from umbel.execution.concluding.chords import Chords
from umbel.execution.concluding.successors import Successors
from umbel.execution.environment import Environment
from umbel.execution.exception_info import ExceptionInfo, format_exception
from umbel.execution.model import Effect, Execution, RunHandlers, Store, Verdict
from umbel.execution.preparing.prepare import Prepared
from umbel.execution.request import Request
from umbel.execution.resolved_task import ResolvedTask
from umbel.reasons import DeadReason
from umbel.wire import failures

logger: logging.Logger = logging.getLogger("umbel.execution")


class Conclusion:
    """Concludes the calls of one app.

    Args:
        environment: the app's parts.
    """

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._successors = Successors(environment)
        self._chords = Chords(environment, self._successors)

    def succeeded(self, prepared: Prepared, value: Any, started: float, runtime: float) -> Execution:
        """Conclude a task that returned a value.

        Args:
            prepared: its call.
            value: what it returned.
            started: monotonic seconds at which its own code began.
            runtime: seconds in its own code.
        """
        number, request, resolved = prepared
        effects: tuple[Effect, ...] = ()
        broken: Exception | None = None
        if request.embed is not None or request.planned_retry is not None:
            try:
                effects = tuple(self._successors.after_success(request, value))
            except Exception as error:
                broken = error
            effects = (*effects, *self._chords.count(request, states.SUCCESS, value))
        env = self._env
        if env.stores and not completion.is_ignored(request.fields, resolved.ignore_result):
            record = completion.record_of(request, states.SUCCESS, value, now=env.clock.now(), extended=env.extended)
            store = Store(record, lambda error: self.failed(prepared, error, started, runtime))
            effects = (store, *effects) if effects else (store,)
        if handlers.are_for_success(resolved):
            effects = (*effects, RunHandlers(handlers.after_success(request, resolved, value, runtime)))
        verdict, reason, detail = Verdict.ACK, "", completion.detail_of(value)
        if broken is not None:
            verdict, reason = Verdict.DEAD, getattr(broken, "reason", DeadReason.UNROUTABLE)
            detail = f"it has succeeded, but what follows it cannot be sent: {type(broken).__name__}: {broken}"
            logger.error("Task %s[%s]: %s; its message becomes a dead letter", resolved.name, request.id, detail)
        return Execution(number, request.id or "", resolved.name, states.SUCCESS, verdict, started, runtime, effects, reason, detail)

    def raised(self, prepared: Prepared, error: Exception, started: float, runtime: float) -> Execution:
        """Conclude a task that raised an error: it may be a failure, a retry, or ignored or rejected.

        Args:
            prepared: its call.
            error: what it raised.
            started: monotonic seconds at which its own code began.
            runtime: seconds in its own code.
        """
        _, request, resolved = prepared
        error = request.result = self._autoretried(request, resolved, error)
        if isinstance(error, Ignore):
            try:
                return self._ignored(prepared, error, started, runtime)
            except Exception as broken:  # what takes its place cannot be rendered
                error = request.result = _while_handling(error, broken)
        if isinstance(error, Reject):
            return self._rejected(prepared, error, started, runtime)
        if isinstance(error, Retry):
            try:
                return self._retried(prepared, error, started, runtime)
            except Exception as broken:  # the next attempt cannot be rendered
                error = request.result = _while_handling(error, broken)
        return self.failed(prepared, error, started, runtime)

    def failed(self, prepared: Prepared, error: Exception, started: float, runtime: float) -> Execution:
        """Conclude a task that has failed, or whose result cannot be written.

        Args:
            prepared: its call.
            error: what it failed with.
            started: monotonic seconds at which its own code began.
            runtime: seconds in its own code.
        """
        number, request, resolved = prepared
        verdict, reason = completion.verdict_of_failure(error, resolved)
        text = format_exception(error)
        detail = completion.detail_of(error)
        effects: list[Effect] = []
        if self._env.stores and (resolved.store_errors or not completion.is_ignored(request.fields, resolved.ignore_result)):
            record = completion.failure_record(request, error, text, self._env.clock.now(), extended=self._env.extended)
            effects.append(Store(record))
        inline: list[Mapping[str, Any]] = []
        if request.embed or request.planned_retry:
            following, inline = self._after_failure(request, error, text)
            effects += following
        call = handlers.after_failure(request, resolved, error, inline, self._env.tasks)
        if call is not None:
            effects.append(RunHandlers(call))
        expected = bool(resolved.throws) and isinstance(error, resolved.throws)
        return Execution(
            number,
            request.id or "",
            resolved.name,
            states.FAILURE,
            verdict,
            started,
            runtime,
            tuple(effects),
            reason,
            detail,
            text,
            expected,
        )

    def unexecuted(self, request: Request, error: BaseException, status: str) -> Execution:
        """Conclude a task that has not run, or whose child has died: its chord, its error callbacks and the rest of its chain go by what ended it.

        Its own record is stored already. Error callbacks that take the exception are the user's code, and there is no child to call them in.

        Args:
            request: of the task.
            error: what ended it.
            status: FAILURE or REVOKED.
        """
        effects = self._abandon_the_rest(request, error, None)
        if self._env.counts_chords:
            effects += self._chords.count(request, status, failures.render(error))
        if status == states.FAILURE:
            published, inline = self._successors.errbacks(request)
            effects += published
            for signature in inline:
                logger.warning(
                    "Task %s[%s]: its error callback %s takes the exception and is not called: the task has ended outside of a child",
                    request.task, request.id, signature["task"],
                )  # fmt: skip
        return Execution(0, request.id or "", request.task, status, Verdict.ACK, effects=tuple(effects))

    def _autoretried(self, request: Request, resolved: ResolvedTask, error: Exception) -> Exception:
        """Return the error, or the Retry that takes its place when the task is to be tried again for it."""
        if not resolved.autoretry_for or isinstance(error, (Ignore, Reject, Retry)):
            return error
        if isinstance(error, resolved.dont_autoretry_for) or not isinstance(error, resolved.autoretry_for):
            return error
        try:
            resolved.task.retry(exc=error, **retrying.autoretry_countdown(resolved.task, request.retries))
        except Exception as outcome:  # Retry, or that it gives up
            return _while_handling(error, outcome)
        return error

    def _ignored(self, prepared: Prepared, error: Ignore, started: float, runtime: float) -> Execution:
        number, request, resolved = prepared
        replacement = self._successors.replacement(request)
        effects = (*replacement, *self._other_effects(request, resolved, error, states.IGNORED))
        return Execution(number, request.id or "", resolved.name, states.IGNORED, Verdict.ACK, started, runtime, effects, detail=str(error))

    def _rejected(self, prepared: Prepared, error: Reject, started: float, runtime: float) -> Execution:
        number, request, resolved = prepared
        verdict, reason = completion.verdict_of_reject(error)
        effects: tuple[Effect, ...] = ()
        if verdict is Verdict.DEAD and self._env.stores and not completion.is_ignored(request.fields, resolved.ignore_result):
            effects = (Store(completion.failure_record(request, error, None, self._env.clock.now(), extended=self._env.extended)),)
        inline: list[Mapping[str, Any]] = []
        if verdict is Verdict.DEAD and request.embed:
            following, inline = self._after_failure(request, error, None)
            effects += tuple(following)
        effects += self._other_effects(request, resolved, error, states.REJECTED)
        if inline:
            effects += (RunHandlers(functools.partial(handlers.call_errbacks, request, error, inline, self._env.tasks)),)
        return Execution(
            number, request.id or "", resolved.name, states.REJECTED, verdict, started, runtime, effects, reason, str(error.reason)
        )

    def _other_effects(self, request: Request, resolved: ResolvedTask, error: Exception, state: str) -> tuple[Effect, ...]:
        publications = self._successors.next_attempt(request)
        call = handlers.after_other(request, resolved, error, state)
        return (*publications, RunHandlers(call)) if call is not None else tuple(publications)

    def _retried(self, prepared: Prepared, error: Retry, started: float, runtime: float) -> Execution:
        number, request, resolved = prepared
        if request.planned_retry is None:  # the task itself raised Retry(...)
            request.planned_retry = retrying.NextAttempt(
                args=request.args, kwargs=request.kwargs, retries=request.retries + 1, **_when(error)
            )
        effects: tuple[Effect, ...] = tuple(self._successors.next_attempt(request))
        einfo = ExceptionInfo(error)
        if self._env.stores and not completion.is_ignored(request.fields, resolved.ignore_result):
            result = failures.render(error.exc or error)
            request.children.append([[request.id, None], None])
            record = completion.record_of(request, states.RETRY, result, traceback=einfo.traceback, extended=self._env.extended)
            effects = (Store(record), *effects)
        call = handlers.after_retry(request, resolved, error, einfo)
        if call is not None:
            effects = (*effects, RunHandlers(call))
        return Execution(
            number, request.id or "", resolved.name, states.RETRY, Verdict.ACK, started, runtime, effects,
            detail=str(error), traceback=einfo.traceback,
        )  # fmt: skip

    def _after_failure(self, request: Request, error: Exception, traceback: str | None) -> tuple[list[Effect], list[Mapping[str, Any]]]:
        """Decide what follows a failure: for the rest of its chain, its chord, its error callbacks. Those that are called here come second."""
        effects = self._abandon_the_rest(request, error, traceback)
        effects += self._chords.count(request, states.FAILURE, failures.render(error))
        effects += self._successors.next_attempt(request)
        published, inline = self._successors.errbacks(request)
        return [*effects, *published], inline

    def _abandon_the_rest(self, request: Request, error: BaseException, traceback: str | None) -> list[Effect]:
        """Fail the rest of a task's chain, which will never run."""
        return self._chords.abandon(shapes.chain_of(list(reversed(request.chain))), request, error, traceback) if request.chain else []


def _while_handling(first: Exception, second: Exception) -> Exception:
    """Return the second error, with the first one as its context."""
    last: BaseException = second
    while last.__context__ is not None and last is not first:
        last = last.__context__
    if last is not first:
        last.__context__ = first
    return second


def _when(error: Retry) -> dict[str, Any]:
    if error.when is None:
        return {"countdown": 0.0}
    return {"countdown": float(error.when)} if isinstance(error.when, (int, float)) else {"eta": error.when}
