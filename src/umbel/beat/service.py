"""`Service`: runs a scheduler until it is told to stop. Beat is this, in a process or a thread of its own."""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any

from umbel import hooks
from umbel.beat.schedulers.names import scheduler_class

logger: logging.Logger = logging.getLogger("umbel.beat")

#: Seconds that a stop waits for what is being sent.
_STOP: float = 15.0


class Service:
    """Beat.

    Args:
        app: whose tasks are sent.
        max_interval: seconds between two looks at the schedule, at most.
        schedule_filename: file of a scheduler that keeps its schedule in one.
        scheduler_cls: class of the scheduler, or its name; ``beat_scheduler`` when not given.

    Raises:
        ImproperlyConfigured: there is no such scheduler.
    """

    def __init__(
        self, app: Any, max_interval: float | None = None, schedule_filename: str | None = None, scheduler_cls: Any = None
    ) -> None:
        self.app = app
        self.max_interval = max_interval or app.conf.beat_max_loop_interval or None
        self.schedule_filename = schedule_filename
        self.scheduler_cls: Any = scheduler_class(scheduler_cls or app.conf.beat_scheduler)
        self._stopping = threading.Event()
        self._ended = threading.Event()

    def get_scheduler(self, lazy: bool = False) -> Any:
        """Make the scheduler.

        Args:
            lazy: do not set it up yet.
        """
        options: dict[str, Any] = {"max_interval": self.max_interval, "lazy": lazy}
        if self.schedule_filename:
            options["schedule_filename"] = self.schedule_filename
        return self.scheduler_cls(self.app, **options)

    @functools.cached_property
    def scheduler(self) -> Any:
        """The scheduler; made when it is first asked for."""
        return self.get_scheduler()

    def start(self, embedded_process: bool = False) -> None:
        """Run until `stop`.

        Args:
            embedded_process: it is part of a worker.

        Raises:
            ImproperlyConfigured: the scheduler cannot be set up.
            Exception: of a scheduler of one's own.
        """
        try:
            hooks.beat_init.send(self)
            if embedded_process:
                hooks.beat_embedded_init.send(self)
            self._run(self.scheduler)
        finally:
            self._ended.set()

    def _run(self, scheduler: Any) -> None:
        try:
            while not self._stopping.is_set():
                wait = scheduler.tick()
                if wait and wait > 0 and not self._stopping.wait(wait) and scheduler.should_sync():
                    scheduler._do_sync()  # noqa: SLF001 - Celery's, which subclasses override
        finally:
            scheduler.close()

    def sync(self) -> None:
        """Keep the state of the entries."""
        self.scheduler._do_sync()  # noqa: SLF001

    def stop(self, wait: bool = False) -> None:
        """Stop; from any thread or signal handler.

        Args:
            wait: until it has ended.
        """
        self._stopping.set()
        if wait:
            self._ended.wait(_STOP)


def EmbeddedService(app: Any, max_interval: float | None = None, **kwargs: Any) -> threading.Thread:  # noqa: N802 - Celery's name
    """Make a thread that runs beat; it has `stop`.

    Args:
        app: whose tasks are sent.
        max_interval: seconds between two looks at the schedule, at most.
        kwargs: of `Service`.
    """
    service = Service(app, max_interval, **{name: value for name, value in kwargs.items() if name != "thread"})
    thread = threading.Thread(target=service.start, kwargs={"embedded_process": True}, name="umbel-beat", daemon=True)
    thread.service = service  # type: ignore[attr-defined]
    thread.stop = lambda: service.stop(wait=True)  # type: ignore[attr-defined]
    return thread
