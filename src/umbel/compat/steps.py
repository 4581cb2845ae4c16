"""Celery's bootsteps, as far as a step is something that starts and stops with a worker.

A step of ``app.steps["worker"]`` or ``app.steps["consumer"]`` becomes a service of the worker (`umbel.Service`). Its methods get the worker, whether they would be
given Celery's worker or its consumer; they run on a thread, one after the other, so that they may block.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from umbel.errors import ImproperlyConfigured
from umbel.runtime.service import Service

logger: logging.Logger = logging.getLogger("umbel.worker")

RUN, CLOSE, TERMINATE = 0x1, 0x2, 0x3


class Step:
    """Something that a worker has.

    Args:
        parent: the worker.
        kwargs: Celery's: the options of the command line.
    """

    name: str = ""
    label: str | None = None
    conditional = False
    requires: ClassVar[Iterable[Any]] = ()
    last = False
    enabled = True

    def __init__(self, parent: Any, **kwargs: Any) -> None: ...

    def include_if(self, parent: Any) -> bool:  # noqa: ARG002
        """Report whether this worker is to have it.

        Args:
            parent: the worker.
        """
        return self.enabled

    def create(self, parent: Any) -> Any:
        """Make what the step is about.

        Args:
            parent: the worker.
        """

    def include(self, parent: Any) -> bool:
        """Do `create` if this worker is to have it; returns whether it has.

        Args:
            parent: the worker.
        """
        if not self.include_if(parent):
            return False
        self.create(parent)
        return True

    def info(self, obj: Any) -> Any:
        """Tell of it.

        Args:
            obj: the worker.
        """


class StartStopStep(Step):
    """Something that starts and stops with a worker."""

    #: What `create` has made; it is started and stopped where these methods are not overridden.
    obj: Any = None

    def include(self, parent: Any) -> bool:
        if not self.include_if(parent):
            return False
        self.obj = self.create(parent)
        return True

    def start(self, parent: Any) -> Any:  # noqa: ARG002
        """Start.

        Args:
            parent: the worker.
        """
        return self.obj.start() if self.obj is not None else None

    def stop(self, parent: Any) -> Any:  # noqa: ARG002
        """Stop.

        Args:
            parent: the worker.
        """
        return self.obj.stop() if self.obj is not None else None

    def close(self, parent: Any) -> None:
        """Prepare to stop.

        Args:
            parent: the worker.
        """

    def terminate(self, parent: Any) -> Any:
        """Stop at once.

        Args:
            parent: the worker.
        """
        return self.stop(parent)


class ConsumerStep(StartStopStep):
    """Celery's: reads queues of its own through kombu. There is no such thing here."""

    def __init__(self, parent: Any, **kwargs: Any) -> None:  # noqa: ARG002
        raise ImproperlyConfigured(
            f"{type(self).__name__}: a worker does not run consumers of kombu. Read such messages in a process of their own, or in a umbel.Service"
        )


class StepService(Service):
    """The steps of an app, as one service of a worker.

    Args:
        app: the app.
        worker: the worker.
    """

    def __init__(self, app: Any, worker: Any) -> None:
        super().__init__()
        self._worker = worker
        steps = [kind(worker) for kind in ordered([*app.steps["worker"], *app.steps["consumer"]])]
        self._steps = [step for step in steps if step.include(worker)]
        self._running: list[Any] = []

    async def begin(self) -> None:
        for step in self._steps:
            if hasattr(step, "start"):
                await asyncio.to_thread(step.start, self._worker)
                self._running.append(step)

    async def end(self) -> None:
        for step in reversed(self._running):
            for method in ("close", "stop", "shutdown"):
                if hasattr(step, method):
                    try:
                        await asyncio.to_thread(getattr(step, method), self._worker)
                    except Exception:
                        logger.exception("The step %s has raised in %s(); the others are stopped", type(step).__name__, method)


def ordered(kinds: Iterable[type[Any]]) -> list[type[Any]]:
    """Return classes of steps so that each comes after those that it requires.

    Args:
        kinds: the classes. A requirement that is not among them is one of Celery's own parts, and passed over.
    """
    left, done = sorted(kinds, key=lambda kind: (kind.last, kind.__module__, kind.__qualname__)), []
    while left:
        for kind in left:
            if not any(other in kind.requires for other in left if other is not kind):
                break
        else:
            raise ImproperlyConfigured(f"these steps require each other: {', '.join(each.__name__ for each in left)}")
        left.remove(kind)
        done.append(kind)
    return done


def steps_of(app: Any) -> defaultdict[str, set[Any]]:
    """Return the sets to which steps are added, and have the app's workers start what is in them.

    Args:
        app: the app.
    """
    app.worker_services.append(lambda worker: StepService(app, worker))
    return defaultdict(set)
