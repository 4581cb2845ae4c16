"""`RunningTask`: what a task may do while it runs: look at its request, ask for another attempt, tell how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from umbel import current, states
from umbel.app.task import joining_workflows, progress
from umbel.app.task.options import TaskOptions
from umbel.app.task.retry import ask_for
from umbel.errors import Retry
from umbel.execution.request import Request
from umbel.results.model import Record
from umbel.wire import failures

T = TypeVar("T")


class RunningTask(TaskOptions):
    """A task as far as its own code uses it."""

    @property
    def request(self) -> Request:
        """The request of the run that this is called from: its id, arguments, retries, …"""
        found = current.request.get()
        while found is not None and found.task_object is not self:
            found = found.outer
        return found if found is not None else Request.outside(self)

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: Any = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Run this task again later. Write ``raise self.retry(…)``: what follows it is not reached.

        Args:
            args: positional arguments of the next attempt; those of this one when not given.
            kwargs: keyword arguments of the next attempt; those of this one when not given.
            exc: an exception: what went wrong; raised when there are no more attempts.
            throw: raise; ``False`` returns the `Retry` and lets the task go on.
            eta: a datetime or ISO 8601 text: not before this time.
            countdown: seconds from now; ``default_retry_delay`` when neither this nor ``eta`` is given.
            max_retries: times, in place of the task's.
            **options: more options of the next attempt's message, as in `umbel.Task.apply_async`: ``queue``, ``priority``, ``time_limit``, … What is not
                given is as it was for this attempt.

        Raises:
            Retry: always, unless ``throw`` is off.
            MaxRetriesExceededError: there are no more attempts, and no ``exc``.
            BaseException: ``exc``, where there are no more attempts or the task was called as a function.
        """
        signal = ask_for(self, args, kwargs, exc=exc, eta=eta, countdown=countdown, max_retries=max_retries, options=options)
        if throw:
            raise signal
        return signal

    def replace(self, sig: Any) -> Any:
        """Let a workflow take this task's place: write ``return self.replace(…)`` or ``raise self.replace(…)``. What follows it is not reached.

        The last task of the workflow takes over this task's id, so that its result is found where it was promised, and the callbacks, the rest of the chain
        and the chord of this one.

        Args:
            sig: a signature: a task's, a chain, a group, a chord.

        Returns:
            The value of the workflow, where this task runs in its caller (`umbel.Task.apply`, ``task_always_eager``, or called as a function).

        Raises:
            Ignore: in a worker, always.
            TypeError: it is no signature, or an empty chain.
        """
        return self.on_replace(sig)

    def on_replace(self, sig: Any) -> Any:
        """Do what `replace` does; may be overridden, to change the signature first. Return what this returns.

        Args:
            sig: a signature.
        """
        return joining_workflows.replace(self, sig)

    def add_to_chord(self, sig: Any, lazy: bool = False) -> Any:
        """Add a member to the chord that this task is a member of: its body waits for it, too, and gets its result last.

        Args:
            sig: a signature of one task.
            lazy: return the signature, for the caller to send.

        Returns:
            The member's `AsyncResult`.

        Raises:
            ValueError: this task is in no chord.
        """
        return joining_workflows.add_to_chord(self, sig, lazy=lazy)

    def signature_from_request(
        self,
        request: Any = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        **extra_options: Any,
    ) -> Any:
        """Make a signature of the call that runs here, with its id, its options and all that follows it.

        Args:
            request: of another call of this task.
            args: positional arguments in place of its own.
            kwargs: keyword arguments in place of its own.
            queue: name of the queue in place of where it came from.
            **extra_options: more calling options.
        """
        return joining_workflows.signature_from_request(self, request, args, kwargs, queue, extra_options)

    subtask_from_request = signature_from_request

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **extra: Any) -> None:  # noqa: ARG002
        """Store a state of your own, with a value that clients see as ``result.info``; an exception is stored as a failure is.

        Called as a plain function, without a ``task_id``, the task has nobody to tell, and nothing happens.

        Args:
            task_id: of the task whose state it is; the running one when not given.
            state: text, e.g. ``PROGRESS``; ``PENDING`` when not given.
            meta: anything that the result serializer can write, or an exception.
            **extra: ignored; there for Celery's sake.

        Raises:
            OperationalError: the result store cannot be reached.
            EncodeError: the value cannot be stored.
        """
        request = self.request
        task_id = task_id or request.id
        store = self.app.store
        if store is None or task_id is None:
            return
        result = failures.render(meta) if isinstance(meta, BaseException) else meta
        record = Record(task_id=task_id, status=state or states.PENDING, result=result, reply_to=request.reply_to)
        if state in states.READY_STATES:
            record.date_done = datetime.fromtimestamp(self.app.time.now(), UTC).isoformat()
        if task_id == request.id:
            record.group_id, record.parent_id, record.children = request.group, request.parent_id, request.children
        store.store([record])

    def checkpoint(self, state: Any, *, force: bool = False) -> bool:
        """Keep how far the task has come: ``self.request.checkpoint`` has it when the task runs again, after its worker has died or by a retry.

        It is stored once a second at most, and dropped when the task has ended. A store that cannot be reached costs the checkpoint, not the task. Called as a
        plain function, a task has it for this run only.

        Args:
            state: anything that the result serializer can write, at most 256 KiB.
            force: store it even if another was stored less than a second ago.

        Returns:
            Whether it is stored now.

        Raises:
            EncodeError: it cannot be written, or is too large.
            ImproperlyConfigured: the app has no result store that keeps it.
        """
        from umbel.execution.checkpoints import checkpoints_of  # few tasks have some

        request = self.request
        is_stored = checkpoints_of(request).save(state, force=force)
        request.checkpoint = state
        return is_stored

    def progress(self, items: Iterable[T], total: float | None = None) -> Iterator[T]:
        """Yield items, and store how many are done as state ``PROGRESS``: before the first, after the last, and between a few times a second at most.

        Clients read it as ``result.progress``. Nothing is stored where the task has nobody to tell: called as a function, or with ``ignore_result``. A
        store that cannot be reached costs the news, not the task.

        Args:
            items: any iterable; write ``for item in self.progress(items):``.
            total: how many there are; ``len(items)`` when not given, and not known where that cannot be told.
        """
        return progress.track(self, items, total)

    def send_event(self, type_: str, retry: bool = True, retry_policy: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Send an event of one's own about the task that runs, to whoever watches; never waits for the broker.

        Args:
            type_: e.g. ``task-progress``.
            retry: ignored; what could not be sent waits for the broker.
            retry_policy: ignored, likewise.
            **fields: of the event; what the event serializer can write.

        Raises:
            EncodeError: a field cannot be written.
        """
        request = self.request
        with self.app.events.default_dispatcher(hostname=request.hostname) as dispatcher:
            dispatcher.send(type_, uuid=request.id, retry=retry, retry_policy=retry_policy, **fields)

    def push_request(self, *args: Any, **values: Any) -> None:
        """Pretend to run in a worker; for tests.

        Args:
            *args: the arguments of the run.
            **values: attributes of the request, e.g. ``id``, ``retries``.
        """
        request = Request(self, None, args, {}, {}, called_directly=True)
        request.update(values)
        current.request.set(self._entered(request))

    def pop_request(self) -> None:
        """Undo `push_request`."""
        found = current.request.get()
        current.request.set(found.outer if found is not None else None)

    def add_trail(self, result: Any) -> Any:
        """Remember a task that this one sent, among the children of its result; returns its result.

        Args:
            result: its `AsyncResult`, or that as a tuple.
        """
        self.request.children.append(result.as_tuple() if hasattr(result, "as_tuple") else result)
        return result

    def _entered(self, request: Request) -> Request:
        request.outer = current.request.get()
        return request
