"""`Umbel`: the application. A façade: it owns settings, tasks, queues, broker and store, and delegates."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from umbel import current, not_yet
from umbel.app import entry_points, importing
from umbel.app.config.app_settings import AppSettings
from umbel.app.config.settings import Settings
from umbel.app.connections import AppConnections, mailbox_options, seconds
from umbel.app.handles import Handles
from umbel.app.periodic import PeriodicTasks
from umbel.app.sending.options import PublishOptions, arguments
from umbel.app.sending.outbox import Outbox
from umbel.app.sending.queues import Queues, queue_defaults
from umbel.app.sending.routing import Router, compile_routes
from umbel.app.task.registering import TaskApp
from umbel.app.task.registry import TaskRegistry
from umbel.app.workflows.publishing import Workflows
from umbel.brokers.base import Broker, Publisher
from umbel.hooks import Signal
from umbel.results.base import ResultStore
from umbel.results.handles import AsyncResult
from umbel.runtime import process_hooks
from umbel.runtime.clock import SYSTEM, Clock
from umbel.runtime.logical_clock import LogicalClock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from umbel.brokers.connection_handle import ConnectionHandle
    from umbel.canvas.signatures import Signature
    from umbel.control.client import Control
    from umbel.events.client import Events
    from umbel.execution.execute import TaskRunner
    from umbel.leases.base import LeaseStore

T = TypeVar("T", bound=type)


class Umbel(AppSettings, TaskApp, PeriodicTasks, Handles):
    """An application: tasks, settings, and the way to the broker.

    Args:
        main: the name that tasks in ``__main__`` begin with.
        broker: ``broker_url``.
        backend: ``result_backend``; an empty string or ``disabled`` keeps no results.
        include: modules that a worker imports.
        changes: settings that nothing else outranks.
        config_source: as for `config_from_object`.
        namespace: prefix of every setting in ``config_source``.
        task_cls: the class that tasks inherit from, or its import path.
        set_as_current: be the app that ``shared_task`` and `current_app` find.
        autofinalize: `finalize` the app when its tasks are first used; ``False`` makes that an error.
        strict_typing: check the arguments of calls where they are made.
        time: tells the time; a `umbel.testing.FakeClock` in tests.
        loader: Celery's; without effect.
        fixups: Celery's; without effect.
        settings: any setting by name.
    """

    def __init__(  # noqa: PLR0913 - Celery's constructor
        self,
        main: str | None = None,
        *,
        broker: Any = None,
        backend: Any = None,
        include: Sequence[str] | str | None = None,
        changes: Mapping[str, Any] | None = None,
        config_source: Any = None,
        namespace: str | None = None,
        task_cls: Any = None,
        set_as_current: bool = True,
        autofinalize: bool = True,
        strict_typing: bool = True,
        time: Clock = SYSTEM,
        loader: Any = None,  # noqa: ARG002 - Celery's; there is one way to load
        fixups: Any = None,  # noqa: ARG002 - Celery's; integrations need none
        **settings: Any,
    ) -> None:
        self.main = main
        self._module: str = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - where another process finds this app
        self._import_path = ""
        self.time = time
        #: Orders events and requests of processes whose clocks differ.
        self.clock: LogicalClock = LogicalClock()
        self.strict_typing = strict_typing
        self.autofinalize = autofinalize
        self.finalized = False
        self.namespace = namespace
        self.on_configure: Signal = Signal("on_configure")
        self.on_after_configure: Signal = Signal("on_after_configure")
        self.on_after_finalize: Signal = Signal("on_after_finalize")
        self.on_after_fork: Signal = Signal("on_after_fork")
        given = {"broker_url": broker, "result_backend": backend, "include": include}
        named = {**settings, **{name: value for name, value in given.items() if value is not None}}
        self._periodic, self._schedules = {}, None
        self.conf: Settings = Settings(named, changes, (lambda: self.on_configure.send(self), self._after_configure))
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)
        self.task_cls: Any = task_cls or self.task_cls
        self._lock, self._tasks = threading.RLock(), TaskRegistry()
        self._shared_seen = 0
        self._discoveries: list[Callable[[], Iterable[str]]] = []
        #: Called with each new worker; the `umbel.Service` that each returns starts after the worker's own, and stops before them.
        self.worker_services: list[Callable[[Any], Any]] = []
        self.connections: AppConnections = AppConnections(self.conf)
        self._events: Events | None = None
        #: Renders and publishes this app's messages.
        self.outbox: Outbox = Outbox(self)
        #: Plans and publishes this app's workflows.
        self.workflows: Workflows = Workflows(self)
        self._forget_process()
        process_hooks.attach(after_fork=self._after_fork, before_exit=self.close)
        if set_as_current:
            self.set_current()
        self.on_init()

    def _after_configure(self) -> None:
        self._add_pending_periodic()
        self.on_after_configure.send(self, source=self.conf)

    def _forget_process(self) -> None:
        """Forget what was made for one process or one connection; the tasks' plans are made anew, too."""
        self.conf.version += 1
        self.outbox.forget()
        self._queues: tuple[int, Queues] | None = None
        self._router: tuple[int, Router] | None = None
        self._eager: dict[bool, TaskRunner] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.main or '__main__'} at {id(self):#x}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.main, self.conf.without_defaults())

    def on_init(self) -> None:
        """Override in a subclass: called at the end of the constructor."""

    # sending

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        countdown: float | None = None,
        eta: Any = None,
        task_id: str | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send a task by its name; it need not exist here.

        Args:
            name: the task's name.
            args: its positional arguments: a list or tuple.
            kwargs: its keyword arguments: a dict.
            countdown: seconds from now, or a timedelta: not before.
            eta: a datetime or ISO 8601 text: not before.
            task_id: text; a new UUIDv7 when not given.
            **options: calling options, as in `umbel.Task.apply_async`.

        Raises:
            OperationalError: the broker cannot be reached, or did not take the message.
            TypeError: there is no such option.
        """
        if self.conf.task_always_eager:
            from umbel.app import eager

            eager.warn_ignored(name)
        given = {**options, "countdown": countdown, "eta": eta, "task_id": task_id}
        return self.outbox.publish_one(name, *arguments(args, kwargs), given)

    def using(self, connection: Any) -> AbstractContextManager[None]:
        """Have everything that is sent inside ``with app.using(connection):`` be part of the caller's transaction; see `Task.using`.

        Args:
            connection: of psycopg, SQLAlchemy (a session, too) or Django, in the database that is the broker.

        Raises:
            ImproperlyConfigured: at the block's start: the broker is in no database, or it is no such connection.
        """
        from umbel.app.task.enlisting import in_transaction

        return in_transaction(self, connection)

    def signature(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """Make a signature of this app.

        Args:
            args: those of `umbel.Signature`.
            kwargs: those of `umbel.Signature`.
        """
        from umbel.canvas.signatures import signature

        return signature(*args, app=self, **kwargs)

    @property
    def queues(self) -> Queues:
        """The queues that the settings name, and those made on demand."""
        version = self.conf.version
        if self._queues is None or self._queues[0] != version:
            conf = self.conf
            conf.load()
            self._queues = (conf.version, Queues(conf.task_queues, queue_defaults(conf)))
        return self._queues[1]

    @property
    def router(self) -> Router:
        """The routes of tasks to queues."""
        if self._router is None or self._router[0] != self.conf.version:
            queues = self.queues
            self._router = (self.conf.version, Router(compile_routes(self.conf.task_routes), queues))
        return self._router[1]

    # broker and store

    @property
    def broker(self) -> Broker:
        """The broker that workers read from."""
        return self.connections.broker

    @property
    def publisher(self) -> Publisher:
        """The publisher of this process."""
        return self.connections.publisher

    @property
    def store(self) -> ResultStore | None:
        """The result store; ``None`` when results are not kept."""
        return self.connections.store

    backend = store

    @property
    def leases(self) -> LeaseStore:
        """The lease store: what is held, by whom, until when."""
        return self.connections.leases

    @property
    def answers_by_message(self) -> bool:
        """Report whether results come back as messages to this client (``rpc://``)."""
        return (self.connections.store_url() or "").startswith("rpc")

    @property
    def oid(self) -> str:
        """The id of this client process."""
        return self.connections.oid

    @property
    def thread_oid(self) -> str:
        """The id of this thread of this client."""
        import uuid

        return str(uuid.uuid3(uuid.NAMESPACE_OID, f"{self.oid}-{threading.get_ident()}"))

    @property
    def hostname(self) -> str:
        """The name of this process where there is no worker."""
        return f"{os.getpid()}@{socket.gethostname()}"

    @property
    def events(self) -> Events:
        """Events: what receives, sends and remembers them."""
        if self._events is None:
            from umbel.events.client import Events

            self._events = Events(self)
        return self._events

    def connection(self, *_options: Any, **_named: Any) -> ConnectionHandle:
        """Return the broker as what monitors expect, ``with app.connection() as connection:``; see `umbel.events.receiver.EventReceiver`.

        Args:
            _options: ignored; the app's settings say where the broker is.
            _named: ignored, likewise.
        """
        from umbel.brokers.connection_handle import ConnectionHandle

        return ConnectionHandle(lambda: self.broker)

    connection_for_read: Callable[..., ConnectionHandle] = connection
    connection_for_write: Callable[..., ConnectionHandle] = connection
    connection_or_acquire: Callable[..., ConnectionHandle] = connection
    broker_connection: Callable[..., ConnectionHandle] = connection
    default_connection: Callable[..., ConnectionHandle] = connection

    @property
    def control(self) -> Control:
        """Remote control."""
        from umbel.control.client import Control  # most programs that send tasks control nothing
        from umbel.control.mailbox import Mailbox

        mailbox = Mailbox(lambda: self.broker, mailbox_options(self.conf, self.connections.key_ring), self.clock)
        return Control(mailbox, lambda: self.queues, lambda: self.broker, self._keep_revoked)

    def _keep_revoked(self, entries: Collection[str]) -> None:
        from umbel.results.revocation_store import revocations_of

        kept, conf = revocations_of(self.store), self.conf
        if kept is not None:
            kept.add(entries, SYSTEM.now(), most=conf.worker_revokes_max, expires=seconds(conf.worker_revoke_expires) or 0.0)

    def bugreport(self) -> str:
        """Write versions, platform and settings as text, for a bug report; passwords are masked."""
        from umbel.app.config.report import bug_report

        return bug_report(self)

    def close(self) -> None:
        """Flush what was published, and disconnect. The app may be used again.

        Raises:
            OperationalError: the broker has not confirmed everything.
        """
        current.forget_app(self)
        for runner in self._eager.values():
            with contextlib.suppress(RuntimeError):  # inside a coroutine: its loop is not ours to stop
                runner.close()
        try:
            if self._schedules is not None:
                self._schedules.close()
            self.outbox.close()
            if self._events is not None:
                self._events.close()
            self.connections.close()
        finally:
            self._forget_process()

    def _after_fork(self) -> None:
        """Drop the parent's connections in a forked child."""
        self._lock = threading.RLock()
        self.clock.reset_lock()
        self.connections.forget()
        if self._events is not None:
            self._events.forget()
        self._forget_process()
        self.on_after_fork.send(self)

    # executing

    def runner(self, hostname: str = "") -> TaskRunner:
        """Make a runner of jobs in this process; ``hostname`` is the worker's name."""
        return entry_points.make_runner(self, hostname or self.hostname, stores=self.connections.store_url() is not None)

    def eager_runner(self, *, stores: bool) -> TaskRunner:
        """Return the runner of tasks in their caller; with ``stores`` it stores their results."""
        if stores not in self._eager:
            self._eager[stores] = entry_points.make_runner(self, self.hostname, stores=stores)
        return self._eager[stores]

    def prepare(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, Any, Any]:
        """Render the call of task ``name`` with ``args``, ``kwargs`` and ``options`` as in a signature; returns id, message, address."""
        return self.outbox.prepare(name, args, kwargs, PublishOptions.parse(options, lenient=True))

    # finding tasks

    def autodiscover_tasks(self, packages: Any = None, related_name: str | None = "tasks", force: bool = False) -> None:
        """Import ``<package>.tasks`` of these packages when a worker starts.

        Args:
            packages: names, or a function that returns them; none: Django's installed apps.
            related_name: the module in each of them; none imports the packages themselves.
            force: import them now.
        """
        find = importing.discovery(packages, related_name)
        if force:
            importing.import_related(find())
        else:
            self._discoveries.append(find)

    def import_modules(self) -> list[str]:
        """Import what ``imports``, ``include`` and `autodiscover_tasks` name; returns the names."""
        return importing.import_all(self, self._discoveries)

    @property
    def import_path(self) -> str:
        """``module:attribute`` by which another process finds this app; empty when it cannot."""
        if not self._import_path:
            self._import_path = importing.path_of(self, self._module)
        return self._import_path

    @import_path.setter
    def import_path(self, path: str) -> None:
        self._import_path = path

    # running

    def start(self, argv: Sequence[str] | None = None) -> int:
        """Run the command line ``argv``, as ``umbel`` does, for this app; returns the exit code. Not given, it is that of this process."""
        return entry_points.start(self, argv)

    def worker_main(self, argv: Sequence[str] | None = None) -> int:
        """Run ``umbel worker`` with ``argv``, ``["worker", …]`` or the words of this process, for this app; returns the exit code.

        Raises:
            ValueError: the words are for another command.
        """
        return entry_points.worker_main(self, argv)

    def Worker(self, **options: Any) -> Any:  # noqa: N802 - Celery's name
        """Make a worker, to `run` here or in a thread; ``options`` are fields of `umbel.worker.options.WorkerOptions`.

        Raises:
            TypeError: there is no such option.
        """
        return entry_points.make_worker(self, options)

    # current

    def set_current(self) -> None:
        """Make this the current app."""
        current.set_current_app(self)

    def set_default(self) -> None:
        """Make this the app of every thread that has none of its own."""
        current.set_default_app(self)

    @property
    def current_task(self) -> Any:
        """The task that runs here, if any."""
        request = current.request.get()
        return None if request is None else request.task_object

    current_worker_task = current_task


if not TYPE_CHECKING:  # for type checkers there is no such attribute
    Umbel.__getattr__ = not_yet.explain_missing("the app", not_yet.APP, not_yet.APP_ELSEWHERE)


def _unpickle(kind: type[Umbel], main: str | None, settings: Mapping[str, Any]) -> Umbel:
    return kind(main, changes=settings, set_as_current=False)
