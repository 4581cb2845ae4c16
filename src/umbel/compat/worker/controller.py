"""``celery.worker.WorkController``: a worker with the attributes that Celery's has."""

from __future__ import annotations

from typing import Any

from umbel.worker.worker import Worker


class WorkController(Worker):
    """A worker under Celery's name. Arguments are those of `umbel.worker.worker.Worker`."""

    @property
    def pool_cls(self) -> type[Any]:
        """The class of its pool."""
        return type(self.parts.pool)

    @property
    def consumer(self) -> Any:
        """The worker itself: it has the methods that handlers look for at Celery's consumer."""
        return self

    def reload(self, modules: Any = None, reload: bool = False, reloader: Any = None) -> None:  # noqa: ARG002
        """Know the tasks that were registered since it was started.

        Args:
            modules: Celery's; import them before.
            reload: Celery's; without effect.
            reloader: Celery's; without effect.
        """
        self.app.finalize()
        self.learn_tasks()

    def ensure_started(self) -> None:
        """Return when it takes tasks."""
        self.is_ready.wait()
