"""`TaskApp`: the part of an app that makes tasks and keeps them."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar, overload

from umbel.app.annotations import annotate
from umbel.app.config import sources
from umbel.app.config.settings import Settings
from umbel.app.task import builtin_tasks
from umbel.app.task.making import BindingDecorator, Decorator, make_task
from umbel.app.task.registry import SHARED, TaskRegistry
from umbel.app.task.task import Task
from umbel.errors import ImproperlyConfigured
from umbel.hooks import Signal
from umbel.typing import P, R

T = TypeVar("T", bound=Task[..., Any])


class TaskApp:
    """An app as far as its tasks go. `umbel.app.app.Umbel` makes what is annotated here."""

    main: str | None
    conf: Settings
    autofinalize: bool
    finalized: bool
    on_after_finalize: Signal
    _lock: threading.RLock
    _tasks: TaskRegistry
    _shared_seen: int

    task_cls: Any = Task

    @overload
    def task(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, *, bind: Literal[True], **options: Any) -> BindingDecorator: ...
    @overload
    def task(self, *, bind: Literal[False] = False, **options: Any) -> Decorator: ...
    def task(self, *function: Any, **options: Any) -> Any:
        """Make a task of a function: ``@app.task``, or with options ``@app.task(name=…, bind=True, max_retries=…)``.

        The function is called by workers; calling the task calls it here. Each attribute of a task may be given as an option. What is left out follows the
        settings, or is as said here.

        Args:
            *function: the decorated function, where there are no options.
            **options: by name, any of these.

        How it is made:
            name: text; ``<module>.<function>`` when not given.
            bind: give the task itself to the function, as its first argument.
            base: the class to inherit from; the app's ``Task`` when not given.
            filter: a function that is given the function, and returns what is to run in its place.
            shared, lazy: ignored.
            typing: check arguments where a call is made; the app's ``strict_typing`` when not given.
            pydantic: turn arguments into the models that the function's annotations name, and a returned model into a dict.
            pydantic_strict: as ``strict`` of ``model_validate``.
            pydantic_context: a dict; as ``context`` of ``model_validate``.
            pydantic_dump_kwargs: a dict of arguments of ``model_dump``; ``{"mode": "json"}`` when not given.

        How its messages are sent, where a call does not say otherwise (see `umbel.Task.apply_async`):
            queue: name.
            exchange, routing_key: names, in place of a queue's.
            priority: a whole number, 0 to 255.
            expires: seconds, a timedelta or a datetime; a task that has not begun by then is dropped.
            serializer: ``json``, ``pickle``, ``yaml``, ``msgpack`` or a content type.
            compression: ``gzip``, ``bzip2``, ``lzma``, ``zstd``, ``brotli`` or a content type.
            delivery_mode: 1 or ``transient``, 2 or ``persistent``.
            mandatory: ``False`` drops a message that no queue takes; else it is an error.
            exchange_type, immediate: ignored.

        Whether another call stands for one of it (the guide "Unique tasks" says more):
            unique_key: a text such as ``"tenant:{0}"`` or ``"{user_id}"``, a function of the arguments, or True: the arguments as a whole. A call whose key is
                held by another one is not sent.
            unique_for: seconds for which a key is held while its message waits; 3600 when not given. With ``debounce`` the seconds without another call, with
                ``throttle`` those between two.
            unique_until: ``finish``: the key is free when the task has ended; ``start``: when it begins.
            unique_on_conflict: ``return`` the handle of the call that has the key, ``raise`` `DuplicateCall`, ``replace`` that call, ``debounce``: replace it and
                wait until there is no other for a while, or ``throttle``: one in so many seconds.

        How it runs:
            time_limit: seconds after which the child that runs it is killed.
            soft_time_limit: seconds after which `SoftTimeLimitExceeded` is raised in it.
            acks_late: acknowledge its message when it has ended, so that it runs again if its worker dies; else when it begins.
            acks_on_failure_or_timeout: with late acknowledgement, acknowledge a task that has failed; else it becomes a dead letter.
            acks_on_failure: the same, for exceptions only.
            acks_on_timeout: the same, for time limits only.
            reject_on_worker_lost: ``False``: a task whose child has died has failed. Else it runs again, counted against ``task_max_deliveries``.
            concurrency_limit: calls of it that run at a time, on all workers together (the guide "Concurrency limits" says more).
            concurrency_key: as ``unique_key``: the limit is for the calls with the same key.
            resources: what it needs of its worker while it runs, and how much: ``{"gpu": 0.5}`` (the guide "Resources" says more).
            lend: names of parameters that get what `resource` makes; callers do not give them (the guide "Lent objects" says more).
            rate_limit: a number a second, or text such as ``"10/m"``: most starts of it (the guide "Rate limits" says more).
            rate_limit_scope: ``worker``: that rate in each worker; ``global``: in all workers together.
            rate_limit_key: as ``unique_key``: the rate is that of the calls with the same key.
            batch_size: calls that run together, at most: the function takes a list of `umbel.Call` and returns a list with a result for each (the guide
                "Batches" says more).
            batch_wait: seconds for which the first call of a batch waits for others; 1 when not given.
            throws: exceptions that are expected: logged without a traceback.

        How it is tried again:
            max_retries: times; ``None`` is for ever; 3 when not given.
            default_retry_delay: seconds before `umbel.Task.retry` runs it again; 180 when not given.
            autoretry_for: exceptions after which it is tried again by itself.
            dont_autoretry_for: exceptions among these after which it is not.
            retry_kwargs: a dict of arguments of ``retry`` for these.
            retry_backoff: True, or seconds before the first of these; the delay doubles each time.
            retry_backoff_max: seconds; 600 when not given.
            retry_jitter: take a random part of this delay; on when not given.

        What is kept of it:
            ignore_result: store no result.
            store_errors_even_if_ignored: but store a failure.
            store_eager_result: store results of calls under ``task_always_eager``.
            track_started: store ``STARTED`` when it begins.
            send_events, trail, resultrepr_maxsize: of Celery; without effect here.

        Raises:
            AlreadyRegistered: another function has this name.
            ImproperlyConfigured: the options of its keys make no sense.
            TypeError: more than one function is given.
        """
        if not function:
            return lambda decorated: self._make_task(decorated, options)
        if len(function) > 1 or not callable(function[0]):
            raise TypeError(f"@app.task decorates one function; its options are named, as in @app.task(name=…): got {function!r}")
        return self._make_task(function[0], options)

    def _make_task(self, function: Callable[..., Any], options: Mapping[str, Any]) -> Task[..., Any]:
        chosen = {name: value for name, value in options.items() if name not in {"shared", "lazy", "_force_evaluate"}}
        wrap = chosen.pop("filter", None)
        base = chosen.pop("base", None) or self.Task
        chosen["name"] = chosen.get("name") or self.gen_task_name(function.__name__, function.__module__)
        return self._register(make_task(self, wrap(function) if wrap else function, base, chosen))  # type: ignore[no-any-return]

    def resource(
        self,
        name: str,
        *,
        shared: bool = False,
        check: Callable[[Any], Any] | None = None,
        errors: type[BaseException] | tuple[type[BaseException], ...] = (),
    ) -> Callable[[Callable[[], R]], Callable[[], R]]:
        """Decorate a function that makes an object for tasks with ``lend=[name]``: once in each process, when a task first asks for it.

        A generator function yields the object, and closes it when it goes on; else the object's ``close`` is called, if it has one.

        Args:
            name: of the object, and of the parameter of tasks that get it.
            shared: several tasks of one process may have it at a time; else one after the other.
            check: told the object before it is lent. When it returns something false that is not ``None``, or raises, a new one is made.
            errors: exceptions of tasks after which a new one is made.

        Raises:
            ImproperlyConfigured: there is one of that name already.
        """
        from umbel.app.arguments.lending import Lent  # few apps lend anything

        def register(make: Callable[[], R]) -> Callable[[], R]:
            if self.__dict__.setdefault("_lent", {}).get(name) is not None:
                raise ImproperlyConfigured(f"there is a resource named {name!r} already")
            kinds = errors if isinstance(errors, tuple) else (errors,)
            self.__dict__["_lent"][name] = Lent(name, make, shared=shared, check=check, errors=kinds)
            return make

        return register

    def lent(self, name: str) -> Any:
        """Find what is lent under a name.

        Args:
            name: of a `resource`.

        Raises:
            ImproperlyConfigured: there is none.
        """
        found = self.__dict__.get("_lent", {}).get(name)
        if found is None:
            raise ImproperlyConfigured(f"there is no resource named {name!r}: make one with @app.resource({name!r})")
        return found

    @overload
    def register_task(self, task: type[T], **options: Any) -> T: ...
    @overload
    def register_task(self, task: T, **options: Any) -> T: ...
    def register_task(self, task: Any, **options: Any) -> Any:
        """Add a class-based task; returns the task.

        Args:
            task: an instance of a `umbel.Task` subclass, or the class.
            **options: attributes to set on it.

        Raises:
            AlreadyRegistered: another task has its name.
            TypeError: it has no method ``run``.
        """
        if isinstance(task, type):
            task = task()
        for name, value in options.items():
            setattr(task, name, value)
        if not hasattr(task, "run") and type(task).__call__ is Task.__call__:
            raise TypeError(f"the task class {type(task).__name__} has no method run(self, …)")
        if not task.name:
            task.name = self.gen_task_name(type(task).__name__, type(task).__module__)
        type(task).app = self
        type(task).on_bound(self)
        return self._register(task)

    def _register(self, task: Any) -> Any:
        registered = self._tasks.register(task)
        if self.finalized:
            annotate((registered,), self.conf.task_annotations)
        return registered

    def gen_task_name(self, name: str, module: str) -> str:
        """Make the name of a task that says none; for subclasses.

        Args:
            name: the function's.
            module: the function's.
        """
        return f"{self.main or module}.{name}" if module == "__main__" else f"{module}.{name}"

    @property
    def Task(self) -> Any:  # noqa: N802 - Celery's name
        """The class that this app's tasks inherit from."""
        base = sources.import_object(self.task_cls) if isinstance(self.task_cls, str) else self.task_cls
        return type("Task", (base,), {"app": self, "__module__": base.__module__})

    @Task.setter
    def Task(self, base: Any) -> None:  # noqa: N802
        self.task_cls = base

    @property
    def tasks(self) -> TaskRegistry:
        """Name → task, shared tasks included; finalizes."""
        if not self.finalized or self._shared_seen != SHARED.count:
            self.finalize(auto=True)
        return self._tasks

    def finalize(self, auto: bool = False) -> None:
        """Take over shared tasks and annotations; happens by itself when tasks are first asked for.

        Args:
            auto: it happens by itself.

        Raises:
            RuntimeError: ``auto`` is set, and the app was made with ``autofinalize=False``.
        """
        if auto and not self.autofinalize and not self.finalized:
            raise RuntimeError("the app's tasks are used before app.finalize() was called")
        with self._lock:
            first, self.finalized = not self.finalized, True
            self._shared_seen = SHARED.count
            SHARED.add_to(self, self._tasks)
            builtin_tasks.add_to(self, self._tasks)
            annotate(self._tasks.values(), self.conf.task_annotations)
        if first:
            self.on_after_finalize.send(self)

    def registered(self, name: str) -> Any:
        """The task of this name, if this process has it; does not finalize the app.

        Args:
            name: the task's name.
        """
        return self._tasks.get(name)
