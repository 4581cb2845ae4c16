"""`Celery`: the app under Celery's name, with the subsystems that Celery's app has."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from umbel.app.app import Umbel
from umbel.app.task.task import Task

if TYPE_CHECKING:
    from umbel.compat.subsystems.amqp import AMQP
    from umbel.compat.subsystems.connection import Connection, Pool, ProducerPool
    from umbel.compat.subsystems.loader import Loader
    from umbel.compat.subsystems.log import Logging


class _TaskClass:
    """The class of tasks where nobody names one: in a Django project, one that can wait for the end of a transaction."""

    def __get__(self, app: object, owner: object = None) -> type[Task[..., Any]]:
        if os.environ.get("DJANGO_SETTINGS_MODULE"):
            from umbel.compat.contrib.django_task import DjangoTask

            return DjangoTask
        return Task


class Celery(Umbel):
    """An `Umbel` app with Celery's spellings: ``app.amqp``, ``app.loader``, ``app.log``, ``app.connection()``, … Arguments are `Umbel`'s."""

    task_cls: Any = _TaskClass()

    # Celery's subsystems

    @cached_property
    def amqp(self) -> AMQP:
        """Queues, routes, and producers."""
        from umbel.compat.subsystems.amqp import AMQP

        return AMQP(self)

    @cached_property
    def loader(self) -> Loader:
        """Imports of modules of tasks."""
        from umbel.compat.subsystems.loader import Loader

        return Loader(self)

    @cached_property
    def log(self) -> Logging:
        """Logging."""
        from umbel.compat.subsystems.log import Logging

        return Logging(self)

    @property
    def store(self) -> Any:
        """The result store, with the methods of Celery's backends; ``None`` when results are not kept."""
        from umbel.compat.subsystems.backend import Backend

        store = self.connections.store
        return None if store is None else Backend.of(self, store)

    @property
    def backend(self) -> Any:
        """The result store, with the methods of Celery's backends; a `DisabledBackend` when results are not kept."""
        from umbel.compat.subsystems.backend import DisabledBackend

        return self.store or DisabledBackend(self)

    @property
    def annotations(self) -> Any:
        """The setting ``task_annotations``."""
        return self.conf.task_annotations

    @cached_property
    def user_options(self) -> defaultdict[str, set[Any]]:
        """Click options to add to a command: ``app.user_options["worker"].add(…)``; ``preload`` is every command."""
        return defaultdict(set)

    @cached_property
    def steps(self) -> defaultdict[str, set[Any]]:
        """Steps of a worker: ``app.steps["worker"].add(…)``, ``app.steps["consumer"].add(…)``."""
        from umbel.compat.steps import steps_of

        return steps_of(self)

    # connections

    def connection_for_write(self, url: str | None = None, **options: Any) -> Connection:  # type: ignore[override]  # with more methods
        """Return a connection to the broker that messages are sent to.

        Args:
            url: of another broker.
            options: Celery's; without effect.
        """
        from umbel.compat.subsystems.connection import Connection

        return Connection(self, url, **options)

    def connection(self, hostname: str | None = None, **options: Any) -> Connection:  # type: ignore[override]
        """Return a connection to the broker.

        Args:
            hostname: URL of another broker.
            options: Celery's; without effect.
        """
        return self.connection_for_write(hostname, **options)

    broker_connection = connection_for_read = connection  # type: ignore[assignment]

    @cached_property
    def pool(self) -> Pool:
        """Connections to the broker; there is one, which is shared."""
        from umbel.compat.subsystems.connection import Pool

        return Pool(self)

    @cached_property
    def producer_pool(self) -> ProducerPool:
        """Producers; they share the app's publisher."""
        from umbel.compat.subsystems.connection import ProducerPool

        return ProducerPool(self)

    def connection_or_acquire(self, connection: Any = None, pool: bool = True, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        """Return a context manager of a connection.

        Args:
            connection: this one.
            pool: Celery's; without effect.
        """
        return self.connection() if connection is None else connection

    default_connection = connection_or_acquire

    def producer_or_acquire(self, producer: Any = None) -> Any:
        """Return a context manager of a producer.

        Args:
            producer: this one.
        """
        return self.producer_pool.acquire() if producer is None else producer

    default_producer = producer_or_acquire

    # what else is spelled otherwise

    @property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a worker of Celery's options, or of Umbel's."""
        from umbel.compat.subsystems.worker_options import translated
        from umbel.compat.worker.controller import WorkController
        from umbel.worker.options import WorkerOptions

        def make_worker(*_: Any, **options: Any) -> Any:
            return WorkController(self, WorkerOptions.parse(translated(options)))

        return make_worker

    WorkController = Worker

    def select_queues(self, queues: Iterable[str] | None = None) -> Any:
        """Have workers of this process read these queues.

        Args:
            queues: names.
        """
        return self.queues.select(queues)

    def uses_utc_timezone(self) -> bool:
        """Report whether times are written in UTC."""
        return self.conf.timezone is None or str(self.timezone) in {"UTC", "utc"}

    def bugreport(self) -> str:
        """Return versions, platform and settings as text, without passwords."""
        from umbel.compat.subsystems.report import bugreport

        return bugreport(self)

    def either(self, default_key: str, *defaults: Any) -> Any:
        """Return the first value that is not ``None``, else a setting.

        Args:
            default_key: the setting.
            defaults: the values.
        """
        return next((value for value in defaults if value is not None), self.conf.get(default_key))

    def prepare_config(self, c: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return settings as they are; for subclasses.

        Args:
            c: settings.
        """
        return c

    def subclass_with_self(self, cls: Any, name: str | None = None, attribute: str = "app", **_: Any) -> Any:
        """Make a class that knows this app.

        Args:
            cls: the class, or its import path.
            name: of the new one.
            attribute: of the app in it.
        """
        from umbel.compat.legacy.importing import symbol_by_name

        kind = symbol_by_name(cls)
        return type(name or kind.__name__, (kind,), {attribute: self, "__module__": kind.__module__, "__doc__": kind.__doc__})
