"""`Task`: what ``@app.task`` makes of a function, and what class-based tasks inherit from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from umbel import current, not_yet, states
from umbel.app import argument_check, eager
from umbel.app.sending.calls import NOTHING
from umbel.app.sending.options import arguments
from umbel.app.sending.plans import Plans
from umbel.app.task.handlers import TaskHandlers
from umbel.app.task.options import TaskOptions
from umbel.app.task.retry import ask_for
from umbel.errors import Retry
from umbel.execution.request import Request
from umbel.results.handles import AsyncResult, EagerResult
from umbel.results.model import Record
from umbel.typing import P, R
from umbel.wire import failures


class Task(TaskOptions, TaskHandlers, Generic[P, R]):
    """A function that can be sent to a worker.

    Every attribute may be given to the decorator (``@app.task(name=…)``), in a subclass, or by ``task_annotations``.
    """

    run: Callable[P, R]

    #: The outbox keeps them here; ``None`` until it needs them, and when an attribute has changed.
    _plans: Plans | None = None
    #: A class of the user's has its own way to send.
    _has_own_apply_async: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._has_own_apply_async = cls.apply_async is not Task.apply_async

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name[0] != "_":
            object.__setattr__(self, "_plans", None)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        token = current.request.set(self._entered(Request.outside(self, args, kwargs)))
        try:
            return self.run(*args, **kwargs)
        finally:
            current.request.reset(token)

    def __repr__(self) -> str:
        main = self.app.main if self.app is not None else None
        return f"<@task: {self.name} of {main or type(self.app).__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.name,)

    # sending

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send it, with these arguments.

        Raises:
            OperationalError: the broker cannot be reached, or refuses this message while the call still waits.
            TypeError: the function takes other arguments.
        """
        if self._has_own_apply_async:
            return self.apply_async(args, kwargs)
        handle: AsyncResult[R] = self.app.outbox.publish_one(self.name, args, kwargs, NOTHING, self)
        return handle

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,  # noqa: ARG002 - there is one connection to the broker
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """Send it, with calling options (see `umbel.app.sending.options.PublishOptions`).

        Raises:
            OperationalError: the broker cannot be reached, or did not take the message.
            TypeError: the function takes other arguments, or there is no such option.
        """
        args, kwargs = arguments(args, kwargs)
        if not (task_id is link is link_error is shadow is None):
            named = {"task_id": task_id, "link": link, "link_error": link_error, "shadow": shadow}
            options.update((name, value) for name, value in named.items() if value is not None)
        handle: AsyncResult[R] = self.app.outbox.publish_one(self.name, args, kwargs, options, self)
        return handle

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """`delay` for coroutines: returns when the broker has the message, or raises; the event loop never waits for it."""
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """`apply_async` for coroutines."""
        send = functools.partial(self.apply_async, args, kwargs, task_id, **options)
        if not options and task_id is None:
            send = functools.partial(self.delay, *(args or ()), **(kwargs or {}))
        handle: AsyncResult[R] = await self.app.outbox.loop.publish(send, args, kwargs)
        return handle

    def delay_many(self, calls: Iterable[Any], **options: Any) -> list[AsyncResult[R]]:
        """Send one message for each item: a tuple is the arguments of one call, any other value is its only argument."""
        name = self.name
        handles: list[AsyncResult[R]] = self.app.outbox.publish(
            ((name, item if isinstance(item, tuple) else (item,), {}, NOTHING, self) for item in calls), options
        )
        return handles

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Run it here and now, as a worker would; options: link, link_error, task_id, retries, throw, headers, …"""
        return eager.apply(self, *arguments(args, kwargs), options)

    def AsyncResult(self, task_id: str) -> AsyncResult[R]:  # noqa: N802 - Celery's name
        """The handle of a call that was made before."""
        handle: AsyncResult[R] = self.app.handle(task_id, self.name)
        return handle

    # inside a worker

    @property
    def request(self) -> Request:
        """The run that this is called from."""
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
            exc: what went wrong; raised when there are no more attempts.
            throw: raise; ``False`` returns the `Retry` and lets the task go on.
            countdown: seconds; ``default_retry_delay`` when neither this nor ``eta`` is given.
            max_retries: in place of the task's.

        Raises:
            Retry: always, unless ``throw`` is off.
            MaxRetriesExceededError: there are no more attempts, and no ``exc``.
        """
        signal = ask_for(self, args, kwargs, exc=exc, eta=eta, countdown=countdown, max_retries=max_retries, options=options)
        if throw:
            raise signal
        return signal

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **extra: Any) -> None:  # noqa: ARG002
        """Store a state of your own, with a value that clients see as ``result.info``; an exception is stored as a failure is.

        Called as a plain function, without a ``task_id``, the task has nobody to tell, and nothing happens.
        """
        request = self.request
        task_id = task_id or request.id
        store = self.app.store
        if store is None or task_id is None:
            return
        result = failures.render(meta) if isinstance(meta, BaseException) else meta
        record = Record(task_id=task_id, status=state or states.PENDING, result=result, reply_to=request.reply_to)
        if state in states.READY_STATES:
            record.date_done = datetime.fromtimestamp(self.app.clock.now(), UTC).isoformat()
        if task_id == request.id:
            record.group_id, record.parent_id, record.children = request.group, request.parent_id, request.children
        store.store([record])

    def push_request(self, *args: Any, **values: Any) -> None:
        """Pretend to run in a worker; for tests."""
        request = Request(self, None, args, {}, {}, called_directly=True)
        request.update(values)
        current.request.set(self._entered(request))

    def pop_request(self) -> None:
        """Undo `push_request`."""
        found = current.request.get()
        current.request.set(found.outer if found is not None else None)

    def add_trail(self, result: Any) -> Any:
        """Remember a task that this one sent."""
        self.request.children.append(result.as_tuple() if hasattr(result, "as_tuple") else result)
        return result

    # machinery

    def entry_point(self) -> Callable[..., Any]:
        """What a worker calls: the function itself, unless a class overrides ``__call__``."""
        return self.run if type(self).__call__ is Task.__call__ else self

    @functools.cached_property
    def takes_exception(self) -> bool:
        """As an error callback, it takes (request, exc, traceback)."""
        return argument_check.takes_exception(self.run, skip_first=False)

    @property
    def backend(self) -> Any:
        """The app's result store."""
        return self.app.store

    def _entered(self, request: Request) -> Request:
        request.outer = current.request.get()
        return request


if not TYPE_CHECKING:  # for type checkers there is no such attribute
    Task.__getattr__ = not_yet.explain_missing("a task", not_yet.TASK)


def _unpickle(name: str) -> Any:
    app = current.find_app()
    return app.tasks[name]
