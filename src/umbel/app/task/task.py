"""`Task`: what ``@app.task`` makes of a function, and what class-based tasks inherit from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from umbel import current, not_yet
from umbel.app import argument_check, eager
from umbel.app.sending.calls import NOTHING
from umbel.app.sending.options import arguments
from umbel.app.sending.plans import Plans
from umbel.app.task.handlers import TaskHandlers
from umbel.app.task.running import RunningTask
from umbel.execution.request import Request
from umbel.results.handles import AsyncResult, EagerResult
from umbel.typing import P, R

if TYPE_CHECKING:
    from umbel.app.task.enlisting import EnlistedTask
    from umbel.canvas.signatures import Signature, chunks, xmap, xstarmap


class Task(RunningTask, TaskHandlers, Generic[P, R]):
    """A function that can be sent to a worker.

    Every attribute may be given to the decorator (``@app.task(name=…)``, see `umbel.Umbel.task`), in a subclass, or by ``task_annotations``.
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

    @classmethod
    def _get_app(cls) -> Any:
        """Return the app, for packages that extend Celery, which ask for it so."""
        return cls.app

    def __repr__(self) -> str:
        main = self.app.main if self.app is not None else None
        return f"<@task: {self.name} of {main or type(self.app).__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.name,)

    # sending

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send it, with these arguments and no options; returns at once, before a worker has begun it.

        Args:
            *args: positional arguments of the task.
            **kwargs: keyword arguments of the task.

        Raises:
            EncodeError: an argument cannot be sent, or they are too large.
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
        """Send it, with calling options; returns at once, before a worker has begun it.

        Args:
            args: positional arguments of the task: a list or tuple.
            kwargs: keyword arguments of the task: a dict.
            task_id: text; a new UUIDv7 when not given.
            producer: ignored; there is one connection to the broker.
            link: a signature or a list of them, sent when the task has succeeded, with its result as their first argument.
            link_error: a signature or a list of them, for when it has failed.
            shadow: name to show in place of the task's, in logs and monitors.
            **options: by name, any of these.

        When it runs:
            countdown: seconds from now, or a timedelta: not before. Outranks ``eta``.
            eta: a datetime or ISO 8601 text: not before.
            expires: seconds from now, a timedelta, a datetime or ISO 8601 text: not after; it is dropped then.

        Where it goes (else as the task, ``task_routes`` and ``task_default_queue`` say, in this order):
            queue: name, or a `umbel.Queue`.
            exchange: name; with ``routing_key`` an address of its own.
            routing_key: text.
            route_name: name to look up in ``task_routes`` in place of the task's.
            priority: a whole number, 0 to 255; RabbitMQ runs the higher first, Redis the lower, unless the setting ``priority_order`` says otherwise.
            mandatory: ``False`` drops a message that no queue takes; else that is an error.

        How it is published:
            confirm: return when the broker has the message.
            timeout: seconds that publishing may take; ``broker_publish_timeout`` when not given. Also ``max_wait``.
            retry: ``False`` makes one attempt to reach the broker; ``task_publish_retry`` when not given.
            retry_policy: a dict; ``max_retries`` of it counts, ``None`` is for ever.
            delivery_mode: 1 or ``transient``, 2 or ``persistent``.
            serializer: ``json``, ``pickle``, ``yaml``, ``msgpack`` or a content type.
            compression: ``gzip``, ``bzip2``, ``lzma``, ``zstd``, ``brotli`` or a content type.
            headers: a dict of headers of one's own; tasks find them in ``request.headers``.
            properties: a dict of more message properties. ``expiration`` (seconds), ``message_id``, ``user_id``, ``type``, ``app_id``,
                ``timestamp``, ``correlation_id`` and ``cluster_id`` may also be given by name.
            reply_to: address of the result, for ``rpc://``.

        How it runs:
            time_limit: seconds after which the child that runs it is killed.
            soft_time_limit: seconds after which `SoftTimeLimitExceeded` is raised in it.
            ignore_result: store no result.
            retries: attempts before this one.

        Whether another call stands for it (the guide "Unique tasks" says more):
            unique_key: a text such as ``"tenant:{0}"``, a function of the arguments, True for all arguments, or ``False`` for a call of a unique task that is
                sent all the same.
            unique_for: seconds for which its key is held while it waits; an hour when not given.
            unique_until: ``finish`` or ``start``.
            unique_on_conflict: ``return``, ``raise``, ``replace``, ``debounce`` or ``throttle``.

        How it is shown:
            argsrepr: text in place of the arguments.
            kwargsrepr: text in place of the keyword arguments.
            origin: name of the sender; ``gen<pid>@<host>`` when not given.
            stamped_headers: names of stamps: further options of these names are stamps.
            stamps: a dict of stamps.

        What it belongs to (canvas sets these):
            root_id: id of the task that everything began with; that of the running task, or its own.
            parent_id: id of the task that sends it; that of the running task.
            add_to_parent: ``False`` keeps it out of the running task's children.
            group_id: id of its group. Also ``group``.
            group_index: its place in the group, from 0.
            chain: signatures of what follows it, the next one last.
            chord: signature of what follows its whole group.
            replaced_task_nesting: how often the task was replaced.

        Raises:
            DuplicateCall: it has ``unique_on_conflict="raise"``, and another call has its key.
            EncodeError: an argument cannot be sent, or they are too large.
            OperationalError: the broker cannot be reached, or did not take the message; or the lease store, for a unique call.
            QueueNotFound: the queue is unknown, and ``task_create_missing_queues`` is off.
            TypeError: the function takes other arguments, or there is no such option.
            ValueError: a time or the priority cannot be understood.
        """
        args, kwargs = arguments(args, kwargs)
        if not (task_id is link is link_error is shadow is None):
            named = {"task_id": task_id, "link": link, "link_error": link_error, "shadow": shadow}
            options.update((name, value) for name, value in named.items() if value is not None)
        handle: AsyncResult[R] = self.app.outbox.publish_one(self.name, args, kwargs, options, self)
        return handle

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """`delay` for coroutines: returns when the broker has the message, or raises; the event loop never waits for it.

        Args:
            *args: positional arguments of the task.
            **kwargs: keyword arguments of the task.

        Raises:
            OperationalError: the broker cannot be reached, or did not take the message.
        """
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """`apply_async` for coroutines: returns when the broker has the message, or raises; the event loop never waits for it.

        Args:
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
            task_id: text; a new UUIDv7 when not given.
            **options: as in `apply_async`.

        Raises:
            OperationalError: the broker cannot be reached, or did not take the message.
        """
        send = functools.partial(self.apply_async, args, kwargs, task_id, **options)
        if not options and task_id is None:
            send = functools.partial(self.delay, *(args or ()), **(kwargs or {}))
        handle: AsyncResult[R] = await self.app.outbox.loop.publish(send, args, kwargs)
        return handle

    def delay_many(self, calls: Iterable[Any], **options: Any) -> list[AsyncResult[R]]:
        """Send one message for each item, with as few system calls as possible; returns their handles.

        Args:
            calls: any iterable. A tuple in it is the arguments of one call, any other value is the only argument of one; a list is such a value.
                Some hundreds at a time are taken from a generator.
            **options: of each call, as in `apply_async`; ``timeout`` is not looked at.

        Raises:
            EncodeError: an argument cannot be sent, or they are too large; a few hundred calls before it may have left.
            OperationalError: the broker cannot be reached, or did not take a message.
            TypeError: the function takes other arguments, or there is no such option.
        """
        name = self.name
        handles: list[AsyncResult[R]] = self.app.outbox.publish(
            ((name, item if isinstance(item, tuple) else (item,), {}, NOTHING, self) for item in calls), options
        )
        return handles

    def using(self, connection: Any) -> EnlistedTask[P, R]:
        """Send by a connection of the caller's own, in its transaction: the task is in the queue when that commits, and not before.

        Args:
            connection: of psycopg, SQLAlchemy (a session, too) or Django, in the database that is the broker (``postgresql://``).

        Raises:
            ImproperlyConfigured: by its methods: the broker is in no database, or it is no such connection.
        """
        from umbel.app.task.enlisting import EnlistedTask

        return EnlistedTask(self, connection)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Run it here and now, as a worker would, with its retries and callbacks.

        Args:
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
            **options: of those of `apply_async`: ``task_id``, ``link``, ``link_error``, ``retries``, ``headers``, ``stamped_headers``, ``stamps``, ``root_id``,
                ``parent_id``, ``ignore_result``; and ``throw``: raise what the task raises (``task_eager_propagates`` when not given).
        """
        return eager.apply(self, *arguments(args, kwargs), options)

    def AsyncResult(self, task_id: str) -> AsyncResult[R]:  # noqa: N802 - Celery's name
        """Make the handle of a call that was made before.

        Args:
            task_id: its id.
        """
        handle: AsyncResult[R] = self.app.handle(task_id, self.name)
        return handle

    # as a value

    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Make a signature: the call with these arguments as a value, to be sent later, passed on, or made part of a workflow.

        Args:
            *args: positional arguments; those that come later go in front of them.
            **kwargs: keyword arguments.
        """
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Make an immutable signature: as `s`, but it does not take the result of the task before it.

        Args:
            *args: positional arguments.
            **kwargs: keyword arguments.
        """
        return self.signature(args, kwargs, immutable=True)

    def signature(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Signature[R]:
        """Make a signature.

        Args:
            args: positional arguments.
            kwargs: keyword arguments.
            options: calling options, see `apply_async`.
            **more: calling options by name, and ``immutable``.
        """
        from umbel.canvas.signatures import Signature

        return Signature(self, args, kwargs, options, app=self.app, **more)

    subtask = signature

    def map(self, it: Iterable[Any]) -> xmap:
        """Make a signature of one message that calls it with each item.

        Args:
            it: the items.
        """
        from umbel.canvas.signatures import xmap

        return xmap(self.s(), it, app=self.app)

    def starmap(self, it: Iterable[Any]) -> xstarmap:
        """Make a signature of one message that calls it with each list of arguments.

        Args:
            it: lists of arguments.
        """
        from umbel.canvas.signatures import xstarmap

        return xstarmap(self.s(), it, app=self.app)

    def chunks(self, it: Iterable[Any], n: int) -> chunks:
        """Make a signature of several messages, each of which calls it with some of the lists of arguments.

        Args:
            it: lists of arguments.
            n: how many go into one message.
        """
        from umbel.canvas.signatures import chunks

        return chunks(self.s(), it, n, app=self.app)

    @property
    def sends_in_its_own_way(self) -> bool:
        """Its class overrides `apply_async`, so that its calls must go through that."""
        return self._has_own_apply_async

    # machinery

    def entry_point(self) -> Callable[..., Any]:
        """The function that a worker calls: the task's own, unless a class overrides ``__call__``."""
        if self.batch_size is not None:
            from umbel.execution.running.batches import alone  # few tasks run calls together

            return alone(self)
        return self.run if type(self).__call__ is Task.__call__ else self

    def takes_exception(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> bool:
        """Report whether it takes (request, exc, traceback) as an error callback whose signature has these arguments, and not a task's id.

        Args:
            args: positional arguments.
            kwargs: keyword arguments.
        """
        return argument_check.takes_exception(self.run, args, kwargs or {}, bound=self.bound or "__wrapped__" not in vars(self))

    @property
    def backend(self) -> Any:
        """The app's result store."""
        return self.app.store


if not TYPE_CHECKING:  # for type checkers there is no such attribute
    Task.__getattr__ = not_yet.explain_missing("a task", not_yet.TASK)


def _unpickle(name: str) -> Any:
    app = current.find_app()
    return app.tasks[name]
