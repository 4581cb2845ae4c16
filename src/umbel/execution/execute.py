"""`TaskRunner`: prepare → run → conclude, for the jobs of one app in this process."""

from __future__ import annotations

import copy
import threading
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from umbel import current
from umbel.execution.concluding.conclude import Conclusion
from umbel.execution.concluding.unique_keys import with_key
from umbel.execution.environment import Environment
from umbel.execution.model import Effect, Execution, Job, Publish, SoftLimit, Store
from umbel.execution.preparing.prepare import Preparation, Prepared
from umbel.execution.request import Request
from umbel.execution.running.drivers import Aside, Ended, run_async, run_sync
from umbel.messages.task_keys import KEYS
from umbel.results.group_store import CHORD_CLAIM
from umbel.results.model import Record, sent

if TYPE_CHECKING:
    from umbel.execution.running.coroutines import TaskLoop


class TaskRunner:
    """Executes jobs, one at a time per thread.

    Args:
        environment: the app's parts.
    """

    def __init__(self, environment: Environment) -> None:
        self._preparation = Preparation(environment)
        self._conclusion = Conclusion(environment)
        self._records_sent = environment.records_sent
        self._loops = threading.local()
        self.soft_limit: SoftLimit = SoftLimit()
        #: On which a coroutine runs now, if it does so in a thread that runs one task at a time.
        self.loop: TaskLoop | None = None

    def twin(self) -> TaskRunner:
        """Make a runner for a slot beside this one's, with a soft time limit of its own."""
        other = copy.copy(self)
        other.soft_limit = SoftLimit()
        return other

    def execute(self, job: Job) -> Execution:
        """Run ``job``. What the task raises is an outcome; only what ends the process passes through."""
        prepared = self._preparation.prepare(job)
        return prepared if isinstance(prepared, Execution) else self._run(prepared)

    def execute_batch(self, jobs: Sequence[Job]) -> list[Execution]:
        """Run ``jobs`` of one task together; see `execute`."""
        from umbel.execution.running import batches  # few tasks run calls together

        prepared = [self._preparation.prepare(job) for job in jobs]
        executions = [each for each in prepared if isinstance(each, Execution)]
        calls = [each for each in prepared if not isinstance(each, Execution)]
        if not calls:
            return executions
        whole = batches.together(calls)
        token = current.request.set(whole[1])
        try:
            ended = batches.apart(run_sync(whole, self.soft_limit, self._await), len(calls))
            for call, each in zip(calls, ended, strict=True):
                call[1].has_sent = whole[1].has_sent
                current.request.set(call[1])
                executions.append(self._conclude(call, each))
        finally:
            current.request.reset(token)
        return executions

    def conclude_unexecuted(self, job: Job, error: BaseException, status: str) -> Execution | None:
        """Conclude a job that will not run; ``None`` when nothing follows it, or that cannot be told.

        Args:
            job: as the worker got it.
            error: what ended it.
            status: FAILURE or REVOKED.
        """
        request = self._preparation.read(job)
        return self._conclusion.unexecuted(request, error, status) if request is not None and request.embed else None

    def run_eagerly(self, request: Request) -> Execution:
        """Run the task of ``request`` in its caller; what it returned or raised is ``request.result``.

        Nothing is decoded, and no retry is rendered.
        """
        return self._run(self._preparation.prepare_eager(request))

    def started_record(self, job: Job) -> Record | None:
        """Make the STARTED record of ``job``, which is about to run, when its task asks for it (``track_started``)."""
        return self._preparation.started_record(job)

    def close(self) -> None:
        """Close this thread's event loop."""
        loop = getattr(self._loops, "loop", None)
        if loop is not None:
            self._loops.loop = None
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def is_async(self, headers: Mapping[str, Any]) -> bool:
        """Report whether the task of a job with these ``headers`` is an ``async def``."""
        return self._preparation.is_async(headers.get("task"))

    async def execute_async(self, job: Job, aside: Aside) -> Execution:
        """Run the ``async def`` task of ``job`` as a part of the coroutine that awaits this, in its context; see `execute`.

        Args:
            job: whose task is an ``async def``.
            aside: calls what may block, in this context, somewhere else.
        """
        if CHORD_CLAIM in job.headers:  # the store is asked
            prepared = await aside(partial(self._preparation.prepare, job))
        else:
            prepared = self._preparation.prepare(job)
        if isinstance(prepared, Execution):
            return prepared
        current.request.set(prepared[1])
        return self._conclude(prepared, await run_async(prepared, self.soft_limit, aside))

    def _run(self, prepared: Prepared) -> Execution:
        token = current.request.set(prepared[1])
        try:
            return self._conclude(prepared, run_sync(prepared, self.soft_limit, self._await))
        finally:
            current.request.reset(token)

    def _conclude(self, prepared: Prepared, ended: Ended) -> Execution:
        value, error, started, runtime = ended
        request = prepared[1]
        if error is None:
            request.result = value
            execution = self._conclusion.succeeded(prepared, value, started, runtime)
        else:
            execution = self._conclusion.raised(prepared, error, started, runtime)
        if request.has_sent or self._records_sent:
            execution = execution._replace(has_sent=request.has_sent, effects=self._with_sent(execution, request))
        if request.checkpoints is not None:
            from umbel.execution.checkpoints import with_checkpoint  # few tasks have some

            execution = with_checkpoint(request.checkpoints, execution)
        return with_key(request, execution) if KEYS in request.fields else execution

    def _with_sent(self, execution: Execution, request: Request) -> tuple[Effect, ...]:
        """Record what follows as sent, together with the task's own record (``task_store_queued``)."""
        if not self._records_sent:
            return execution.effects
        following = [message.properties.get("correlation_id") for message, _ in execution.publications]
        records = [Store(sent(task_id)) for task_id in following if task_id and task_id != request.id]
        place = next((place for place, effect in enumerate(execution.effects) if type(effect) is Publish), len(execution.effects))
        return (*execution.effects[:place], *records, *execution.effects[place:])

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on this thread's loop, which lives on between tasks: connection pools of user code are bound to it."""
        loop = getattr(self._loops, "loop", None)
        if loop is None or loop.is_closed():
            from umbel.execution.running.coroutines import TaskLoop

            loop = self._loops.loop = TaskLoop()
        self.loop = loop
        try:
            return loop.run(coroutine)
        finally:
            self.loop = None
