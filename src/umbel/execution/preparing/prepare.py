"""From a job to a prepared call, or to an ending: it cannot be read, or there is no such task."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from umbel import hooks, states
from umbel.errors import MessageError, NotRegistered, OperationalError
from umbel.execution import completion
from umbel.execution.environment import Environment
from umbel.execution.model import Execution, Job, Store, Verdict
from umbel.execution.preparing import task_names, unsupported
from umbel.execution.preparing.decoding import DecodedCall, decode, reason_of, task_id_of
from umbel.execution.request import Request
from umbel.execution.resolved_task import ResolvedTask, resolve_task
from umbel.messages.priorities import with_mirrored
from umbel.reasons import DeadReason
from umbel.results.group_store import CHORD_CLAIM
from umbel.results.model import Record
from umbel.wire import serializers

logger: logging.Logger = logging.getLogger("umbel.execution")

#: Serializers that read data and run no code of anybody's.
_DATA = serializers.content_types(frozenset({"json", "yaml", "msgpack"}))
#: A call that can be run: the number of its job, its request, and what its task is like. A plain tuple: one is made for each task.
Prepared = tuple[int, Request, ResolvedTask]


class Preparation:
    """Prepares the jobs of one app.

    Args:
        environment: the app's parts.
    """

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._resolved: dict[str, ResolvedTask] = {}

    def prepare(self, job: Job) -> Prepared | Execution:
        """Decode ``job`` to a call; an `Execution` when it can never run."""
        env = self._env
        try:
            call = decode(job, env.accept, env.max_decompressed, env.ring)
            unsupported.refuse(call.embed, counts_chords=env.counts_chords or env.polled_every is not None)
        except MessageError as error:
            return self._unreadable(job, error)
        resolved = self._resolved.get(call.name)
        if resolved is None or env.tasks.get(call.name) is not resolved.task:  # a notebook's cell was run again
            resolved = self._find(call.name)
        if resolved is None:
            return self._unregistered(job, call)
        if CHORD_CLAIM in job.headers and not self._begins(call, job.headers[CHORD_CLAIM]):
            return self._second_body(job, call)
        address = (job.exchange, job.routing_key, job.redelivered)
        properties = with_mirrored(job.properties) if env.mirrors_priorities else job.properties
        request = Request(resolved.task, call.task_id, call.args, call.kwargs, call.fields, call.embed, properties, address, env.hostname)
        return job.number, request, resolved

    def read(self, job: Job) -> Request | None:
        """Read a job that will not run; ``None`` where it cannot be read without running code.

        Args:
            job: as the worker got it.
        """
        env = self._env
        try:
            call = decode(job, env.accept & _DATA, env.max_decompressed, env.ring)
        except MessageError:
            return None
        address = (job.exchange, job.routing_key, job.redelivered)
        task = env.tasks.get(call.name)
        properties = with_mirrored(job.properties) if env.mirrors_priorities else job.properties
        return Request(task, call.task_id, call.args, call.kwargs, call.fields, call.embed, properties, address, env.hostname)

    def prepare_eager(self, request: Request) -> Prepared:
        """Prepare the call ``request`` in its caller: nothing is decoded."""
        return 0, request, (self._resolved.get(request.task_object.name) or resolve_task(request.task_object))

    def started_record(self, job: Job) -> Record | None:
        """Make the STARTED record of ``job``, which is about to run, when its task asks for it (``track_started``)."""
        name, task_id = job.headers.get("task"), job.headers.get("id")
        if not self._env.stores or not isinstance(name, str) or not isinstance(task_id, str):
            return None
        resolved = self._resolved.get(name) or self._find(name)
        if resolved is None or not resolved.track_started:
            return None
        address = (job.exchange, job.routing_key, job.redelivered)
        request = Request(resolved.task, task_id, (), {}, job.headers, None, job.properties, address, self._env.hostname)
        if completion.is_ignored(request.fields, resolved.ignore_result):
            return None
        return completion.record_of(request, states.STARTED, {"pid": os.getpid(), "hostname": self._env.hostname})

    def is_async(self, name: Any) -> bool:
        """Report whether the task ``name`` is an ``async def``; what cannot be run is none."""
        if type(name) is not str:
            return False
        resolved = self._resolved.get(name) or self._find(name)
        return resolved is not None and resolved.is_async

    def _begins(self, call: DecodedCall, claim: Any) -> bool:
        begins = self._env.begins_body
        if begins is None or not isinstance(claim, str):
            return True
        group_id, _, token = claim.rpartition(" ")
        try:
            return begins(group_id or call.task_id, token)
        except OperationalError as error:
            logger.error(
                "Task %s[%s] runs, although nobody can tell whether its chord has sent it twice: %s", call.name, call.task_id, error
            )
            return True

    @staticmethod
    def _second_body(job: Job, call: DecodedCall) -> Execution:
        logger.warning("Task %s[%s]: its chord has sent it twice, and the other message runs; this one is dropped", call.name, call.task_id)
        return Execution(job.number, call.task_id, call.name, states.IGNORED, Verdict.ACK, detail="its chord has sent it twice")

    def _find(self, name: str) -> ResolvedTask | None:
        task = self._env.tasks.get(name)
        if task is None:
            return None
        resolved = self._resolved[name] = resolve_task(task)
        return resolved

    def _unreadable(self, job: Job, error: MessageError) -> Execution:
        task_id = task_id_of(job.headers, job.properties)
        hooks.task_rejected.send(job.headers.get("task"), message=job, exc=error)
        name = job.headers.get("task")
        return Execution(
            job.number,
            task_id,
            name if isinstance(name, str) else "",
            states.FAILURE,
            Verdict.DEAD,
            effects=self._failure(task_id, job.headers, job, error) if task_id else (),
            reason=reason_of(error),
            detail=str(error),
        )

    def _unregistered(self, job: Job, call: DecodedCall) -> Execution:
        near = task_names.hint(call.name, self._env.tasks)
        error = NotRegistered(call.name, *([near] if near else []))
        hooks.task_unknown.send(call.name, message=job, exc=NotRegistered(call.name), name=call.name, id=call.task_id)
        return Execution(
            job.number,
            call.task_id,
            call.name,
            states.FAILURE,
            Verdict.DEAD,
            effects=self._failure(call.task_id, call.fields, job, error),
            reason=DeadReason.UNREGISTERED,
            detail=f"this worker has no task {call.name!r}; {near or 'is its module imported (imports, include, autodiscover_tasks)?'}",
        )

    def _failure(self, task_id: str, fields: Mapping[str, Any], job: Job, error: Exception) -> tuple[Store, ...]:
        if not self._env.stores:
            return ()
        return (Store(completion.unexecuted_record(task_id, fields, job.properties, error, self._env.clock.now())),)
