"""`TaskRunner`: runs jobs of one app in this process and maps every ending to an `Execution`.

The order is Celery's (5.7): prerun signal → before_start → body → [result stored, callbacks published by the caller] → handler and its
signal → after_return → postrun signal. What comes after the body is put into ``Execution.finish``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from umbel import current, hooks, states
from umbel.brokers.topology import Destination
from umbel.errors import Ignore, MessageError, NotRegistered, Reject, Retry, SoftTimeLimitExceeded
from umbel.execution import completion, naming, retrying, unsupported
from umbel.execution.base import Execution, Job, SoftLimit, Verdict
from umbel.execution.decoding import Call, decode, reason_of, task_id_of
from umbel.execution.einfo import ExceptionInfo, format_exception
from umbel.execution.request import Request
from umbel.execution.traits import Traits, traits_of
from umbel.messages.model import Message
from umbel.reasons import DeadReason
from umbel.results.model import Record, sent
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire import failures

logger = logging.getLogger("umbel.execution")

#: Renders one call: (task's name, args, kwargs, calling options) → (id, message, destination).
Prepare = Callable[[str, Sequence[Any], Mapping[str, Any], Mapping[str, Any]], tuple[str, Message, Destination]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a runner needs of its app, as values."""

    #: Name → task.
    tasks: Mapping[str, Any]
    #: The worker's name.
    hostname: str
    #: Content types that may be decoded.
    accept: frozenset[str]
    #: Bytes that a compressed body may become.
    max_decompressed: int
    #: Results are stored with name, arguments, worker, retries and queue.
    extended: bool
    #: There is a result store.
    stores: bool
    #: What is published gets a record first (``task_store_queued``).
    records_sent: bool = False
    prepare: Prepare
    clock: Clock = SYSTEM


class TaskRunner:
    """Executes jobs, one at a time per thread."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._traits: dict[str, Traits] = {}
        self._loops = threading.local()
        self.soft_limit = SoftLimit()

    def execute(self, job: Job) -> Execution:
        """Run one job. What the task raises is an outcome; only what ends the process passes through."""
        env = self._env
        try:
            call = decode(job, env.accept, env.max_decompressed)
            unsupported.refuse(call.embed)
        except MessageError as error:
            return self._unreadable(job, error)
        traits = self._traits.get(call.name)
        if traits is None or env.tasks.get(call.name) is not traits.task:  # a notebook's cell was run again
            traits = self._find(call.name)
        if traits is None:
            return self._unregistered(job, call)
        address = (job.exchange, job.routing_key, job.redelivered)
        request = Request(traits.task, call.task_id, call.args, call.kwargs, call.fields, call.embed, job.properties, address, env.hostname)
        return self._run(job, request, traits)

    def run_eagerly(self, request: Request) -> Execution:
        """Run a task in its caller. Nothing is decoded and no retry is rendered; what it returned or raised is ``request.result``."""
        job = Job(0, {}, b"", "", "", {}, "", "", redelivered=False)
        return self._run(job, request, self._traits.get(request.task_object.name) or traits_of(request.task_object))

    def _run(self, job: Job, request: Request, traits: Traits) -> Execution:
        token = current.request.set(request)
        started, limit = perf_counter(), self.soft_limit
        try:
            if hooks.task_prerun.receivers:
                hooks.task_prerun.send(traits.task, task_id=request.id, task=traits.task, args=request.args, kwargs=request.kwargs)
            try:
                limit.may_raise = True
                if limit.due == job.number != 0:
                    raise SoftTimeLimitExceeded
                if traits.before_start is not None:
                    traits.before_start(request.id, request.args, request.kwargs)
                started = perf_counter()
                value = traits.call(*request.args, **request.kwargs)
                if traits.is_async:
                    value = self._await(value)
            finally:
                limit.may_raise = False
            runtime = perf_counter() - started
            request.result = value
            execution = self._succeeded(job, request, traits, value, runtime)
        except Exception as error:
            execution = self._raised(job, request, traits, error, perf_counter() - started)
        finally:
            current.request.reset(token)
        if request.has_sent:
            execution.has_sent = True
        if self._env.records_sent and execution.publications:
            following = (message.properties.get("correlation_id") for message, _ in execution.publications)
            records = [sent(task_id) for task_id in following if task_id and task_id != request.id]
            execution.more_records = [*execution.more_records, *records]
        return execution

    def started_record(self, job: Job) -> Record | None:
        """The STARTED record of a job that is about to run, when its task asks for it (``track_started``)."""
        name, task_id = job.headers.get("task"), job.headers.get("id")
        if not self._env.stores or not isinstance(name, str) or not isinstance(task_id, str):
            return None
        traits = self._traits.get(name) or self._find(name)
        if traits is None or not traits.track_started:
            return None
        address = (job.exchange, job.routing_key, job.redelivered)
        request = Request(traits.task, task_id, (), {}, job.headers, None, job.properties, address, self._env.hostname)
        if completion.is_ignored(request.fields, traits.ignore_result):
            return None
        result = {"pid": os.getpid(), "hostname": self._env.hostname}
        return completion.record_of(request, states.STARTED, result)

    def close(self) -> None:
        """Close this thread's event loop."""
        loop = getattr(self._loops, "loop", None)
        if loop is not None:
            self._loops.loop = None
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    # before

    def _find(self, name: str) -> Traits | None:
        task = self._env.tasks.get(name)
        if task is None:
            return None
        traits = self._traits[name] = traits_of(task)
        return traits

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on this thread's loop, which lives on between tasks: connection pools of user code are bound to it."""
        loop = getattr(self._loops, "loop", None)
        if loop is None or loop.is_closed():
            from umbel.execution.coroutines import TaskLoop

            loop = self._loops.loop = TaskLoop()
        return loop.run(coroutine)

    def _unreadable(self, job: Job, error: MessageError) -> Execution:
        task_id = task_id_of(job.headers, job.properties)
        hooks.task_rejected.send(job.headers.get("task"), message=job, exc=error)
        record = None
        if task_id and self._env.stores:
            record = completion.unexecuted_record(task_id, job.headers, job.properties, error, self._env.clock.now())
        name = job.headers.get("task")
        return Execution(
            job,
            task_id,
            name if isinstance(name, str) else "",
            states.FAILURE,
            Verdict.DEAD,
            0.0,
            record,
            reason=reason_of(error),
            detail=str(error),
        )

    def _unregistered(self, job: Job, call: Call) -> Execution:
        record, near = None, naming.hint(call.name, self._env.tasks)
        if self._env.stores:
            error = NotRegistered(call.name, *([near] if near else []))
            record = completion.unexecuted_record(call.task_id, call.fields, job.properties, error, self._env.clock.now())
        hooks.task_unknown.send(call.name, message=job, exc=NotRegistered(call.name), name=call.name, id=call.task_id)
        detail = f"this worker has no task {call.name!r}; {near or 'is its module imported (imports, include, autodiscover_tasks)?'}"
        return Execution(
            job, call.task_id, call.name, states.FAILURE, Verdict.DEAD, 0.0, record, reason=DeadReason.UNREGISTERED, detail=detail
        )

    # after

    def _succeeded(self, job: Job, request: Request, traits: Traits, value: Any, runtime: float) -> Execution:
        publications: Sequence[tuple[Message, Destination]] = ()
        broken: Exception | None = None
        if request.embed is not None or request.planned_retry is not None:
            try:
                publications = self._successors(request, value)
            except Exception as error:
                broken = error
        record = None
        if self._env.stores and not completion.is_ignored(request.fields, traits.ignore_result):
            record = completion.record_of(request, states.SUCCESS, value, now=self._env.clock.now(), extended=self._env.extended)
        execution = Execution(
            job,
            request.id or "",
            traits.name,
            states.SUCCESS,
            Verdict.ACK,
            runtime,
            record,
            publications,
            detail=completion.detail_of(value),
        )
        if traits.on_success is not None or traits.after_return is not None or hooks.task_success.receivers or hooks.task_postrun.receivers:
            execution.finish = lambda: self._finish_success(request, traits, value, runtime)
        if broken is not None:
            execution.verdict, execution.reason = Verdict.DEAD, getattr(broken, "reason", DeadReason.UNROUTABLE)
            execution.detail = f"it has succeeded, but what follows it cannot be sent: {type(broken).__name__}: {broken}"
            logger.error("Task %s[%s]: %s", traits.name, request.id, execution.detail)
        if record is not None:
            execution.otherwise = lambda error: self._failed(job, request, traits, error, runtime)
        return execution

    def _raised(self, job: Job, request: Request, traits: Traits, error: Exception, runtime: float) -> Execution:
        error = request.result = self._autoretried(request, traits, error)
        if isinstance(error, Ignore):
            return self._ended(job, request, traits, states.IGNORED, error, runtime)
        if isinstance(error, Reject):
            return self._rejected(job, request, traits, error, runtime)
        if isinstance(error, Retry):
            try:
                return self._retried(job, request, traits, error, runtime)
            except Exception as broken:  # the next attempt cannot be rendered
                error = request.result = broken
        return self._failed(job, request, traits, error, runtime)

    def _autoretried(self, request: Request, traits: Traits, error: Exception) -> Exception:
        """What an exception becomes when the task is to be tried again for it."""
        if not traits.autoretry_for or isinstance(error, (Ignore, Reject, Retry)):
            return error
        if isinstance(error, traits.dont_autoretry_for) or not isinstance(error, traits.autoretry_for):
            return error
        try:
            traits.task.retry(exc=error, **retrying.autoretry_countdown(traits.task, request.retries))
        except Retry as retry:
            return retry
        except Exception as gave_up:
            return gave_up
        return error

    def _ended(self, job: Job, request: Request, traits: Traits, state: str, error: Exception, runtime: float) -> Execution:
        execution = Execution(
            job, request.id or "", traits.name, state, Verdict.ACK, runtime, publications=self._planned(request), detail=str(error)
        )
        if hooks.task_postrun.receivers:
            execution.finish = lambda: self._postrun(request, traits, error, state)
        else:
            _let_go(request, error)
        return execution

    def _rejected(self, job: Job, request: Request, traits: Traits, error: Reject, runtime: float) -> Execution:
        verdict, reason = completion.verdict_of_reject(error)
        execution = self._ended(job, request, traits, states.REJECTED, error, runtime)
        execution.verdict, execution.reason, execution.detail = verdict, reason, str(error.reason)
        if verdict is Verdict.DEAD and self._env.stores and not completion.is_ignored(request.fields, traits.ignore_result):
            execution.record = completion.failure_record(request, error, None, self._env.clock.now(), extended=self._env.extended)
        return execution

    def _retried(self, job: Job, request: Request, traits: Traits, error: Retry, runtime: float) -> Execution:
        if request.planned_retry is None:  # `raise Retry(...)` by hand
            request.planned_retry = retrying.NextAttempt(
                args=request.args, kwargs=request.kwargs, retries=request.retries + 1, **_when(error)
            )
        publications = self._planned(request)
        einfo = ExceptionInfo(error)
        record = None
        if self._env.stores and not completion.is_ignored(request.fields, traits.ignore_result):
            result = failures.render(error.exc or error)
            request.children.append([[request.id, None], None])
            record = completion.record_of(request, states.RETRY, result, traceback=einfo.traceback, extended=self._env.extended)
        execution = Execution(
            job,
            request.id or "",
            traits.name,
            states.RETRY,
            Verdict.ACK,
            runtime,
            record,
            publications,
            detail=str(error),
            traceback=einfo.traceback,
        )
        if traits.on_retry is not None or hooks.task_retry.receivers or hooks.task_postrun.receivers:
            execution.finish = lambda: self._finish_retry(request, traits, error, einfo)
        else:
            _let_go(request, error)
        return execution

    def _failed(self, job: Job, request: Request, traits: Traits, error: Exception, runtime: float) -> Execution:
        verdict, reason = completion.verdict_of_failure(error, traits)
        text = format_exception(error)
        execution = Execution(
            job,
            request.id or "",
            traits.name,
            states.FAILURE,
            verdict,
            runtime,
            reason=reason,
            detail=completion.detail_of(error),
            traceback=text,
            expected=bool(traits.throws) and isinstance(error, traits.throws),
        )
        records = self._failure_records(request, traits, error, text)
        if records:
            execution.record, execution.more_records = records[0], records[1:]
        inline: list[Mapping[str, Any]] = []
        execution.publications = (
            [*self._planned(request), *self._errbacks(request, inline)] if request.embed or request.planned_retry else ()
        )
        if (
            inline
            or traits.on_failure is not None
            or traits.after_return is not None
            or hooks.task_failure.receivers
            or hooks.task_postrun.receivers
        ):
            execution.finish = lambda: self._finish_failure(request, traits, error, inline)
        else:
            _let_go(request, error)
        return execution

    def _failure_records(self, request: Request, traits: Traits, error: Exception, traceback: str) -> list[Record]:
        """Of the failed task, and of the rest of its chain."""
        if not self._env.stores:
            return []
        now = self._env.clock.now()
        records = []
        if not completion.is_ignored(request.fields, traits.ignore_result) or traits.store_errors:
            records.append(completion.failure_record(request, error, traceback, now, extended=self._env.extended))
        if request.embed is not None:
            records += completion.abandoned_records(request, error, traceback, now)
        return records

    # what follows

    def _planned(self, request: Request) -> list[tuple[Message, Destination]]:
        """The next attempt, when the task asked for one, even if it then ended in another way: asking is what sends it in Celery."""
        attempt = request.planned_retry
        if attempt is None or request.is_eager:
            return []
        request.planned_retry = None  # when it cannot be rendered, that is the task's failure, and it is not tried again
        _, message, to = self._env.prepare(request.task, attempt.args, attempt.kwargs, retrying.options_of(request, attempt))
        request.planned_retry = attempt
        return [(message, to)]

    def _successors(self, request: Request, value: Any) -> list[tuple[Message, Destination]]:
        found = self._planned(request)
        for signature in request.callbacks or ():
            found += self._follow(signature, value, request)
        chain = list(request.chain or ())
        if chain:
            following = chain.pop()
            found += self._follow(following, value, request, chain)
        return found

    def _follow(
        self, signature: Mapping[str, Any], value: Any, request: Request, chain: Sequence[Any] | None = None
    ) -> list[tuple[Message, Destination]]:
        args, kwargs, options = completion.follow(signature, value, request, chain)
        task_id, message, to = self._env.prepare(signature["task"], args, kwargs, options)
        request.children.append([[task_id, None], None])
        return [(message, to)]

    def _errbacks(self, request: Request, inline: list[Mapping[str, Any]]) -> list[tuple[Message, Destination]]:
        """Error callbacks to publish, with the failed task's id; those that take (request, exc, traceback) are called here, after the record."""
        found: list[tuple[Message, Destination]] = []
        for signature in request.errbacks or ():
            task = self._env.tasks.get(signature["task"])
            if task is not None and task.takes_exception:
                inline.append(signature)
                continue
            args, kwargs, options = completion.follow(signature, request.id, request)
            try:
                _, message, to = self._env.prepare(signature["task"], args, kwargs, options)
            except Exception:  # the failure it follows must be stored all the same
                logger.exception("Task %s[%s]: the error callback %s cannot be sent", request.task, request.id, signature["task"])
            else:
                found.append((message, to))
        return found

    # handlers and signals

    def _finish_success(self, request: Request, traits: Traits, value: Any, runtime: float) -> None:
        with _Entered(request):
            if traits.on_success is not None:
                _guard(traits, request, traits.on_success, value, request.id, request.args, request.kwargs)
            hooks.task_success.send(traits.task, result=value, runtime=runtime)
            if traits.after_return is not None:
                _guard(traits, request, traits.after_return, states.SUCCESS, value, request.id, request.args, request.kwargs, None)
            self._postrun(request, traits, value, states.SUCCESS)

    def _finish_retry(self, request: Request, traits: Traits, error: Retry, einfo: ExceptionInfo) -> None:
        with _Entered(request):
            if traits.on_retry is not None:
                _guard(traits, request, traits.on_retry, error.exc, request.id, request.args, request.kwargs, einfo)
            hooks.task_retry.send(traits.task, request=request, reason=error, einfo=einfo)
            self._postrun(request, traits, error, states.RETRY)

    def _finish_failure(self, request: Request, traits: Traits, error: Exception, inline: Sequence[Mapping[str, Any]]) -> None:
        einfo = ExceptionInfo(error)
        with _Entered(request):
            if traits.on_failure is not None:
                _guard(traits, request, traits.on_failure, error, request.id, request.args, request.kwargs, einfo)
            hooks.task_failure.send(
                traits.task, task_id=request.id, exception=error, args=request.args, kwargs=request.kwargs, traceback=einfo.tb, einfo=einfo
            )
            for signature in inline:
                task = self._env.tasks[signature["task"]]
                _guard(
                    traits,
                    request,
                    task,
                    *(signature.get("args") or ()),
                    request,
                    error,
                    einfo.traceback,
                    **(signature.get("kwargs") or {}),
                )
            if traits.after_return is not None:
                _guard(traits, request, traits.after_return, states.FAILURE, error, request.id, request.args, request.kwargs, einfo)
            self._postrun(request, traits, error, states.FAILURE)

    def _postrun(self, request: Request, traits: Traits, value: Any, state: str) -> None:
        hooks.task_postrun.send(
            traits.task, task_id=request.id, task=traits.task, args=request.args, kwargs=request.kwargs, retval=value, state=state
        )
        if state != states.SUCCESS:
            _let_go(request, value)


class _Entered:
    """Makes a request the current one again, for its handlers."""

    __slots__ = ("_request", "_token")

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._token = current.request.set(self._request)

    def __exit__(self, *_: object) -> None:
        current.request.reset(self._token)


def _guard(traits: Traits, request: Request, handler: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call a handler; what it raises is logged: the task has ended already."""
    try:
        handler(*args, **kwargs)
    except Exception as error:
        logger.exception("Task %s[%s]: %s raised", traits.name, request.id, getattr(handler, "__name__", handler))
        hooks.task_internal_error.send(
            traits.task,
            task_id=request.id,
            args=request.args,
            kwargs=request.kwargs,
            request=request,
            exception=error,
            traceback=error.__traceback__,
            einfo=ExceptionInfo(error),
        )


def _let_go(request: Request, error: BaseException) -> None:
    """Drop the tracebacks of an error, and of what led to it, that nobody will look at any more.

    Their frames and all that called those lead back to the error: it would keep whatever the task had in its hands until a garbage collection.
    """
    if request.is_eager:  # its caller will look
        return
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one.__traceback__ is not None:
            one.__traceback__ = None
            left += one.__cause__, one.__context__


def _when(error: Retry) -> dict[str, Any]:
    if error.when is None:
        return {"countdown": 0.0}
    return {"countdown": float(error.when)} if isinstance(error.when, (int, float)) else {"eta": error.when}
