"""The task that runs a task of ``django.tasks``. Found by itself, because it is the ``tasks`` of an installed app."""

from __future__ import annotations

from typing import Any, Final

from umbel.app.shared import shared_task
from umbel.runtime import plugins

#: Its name, by which the backend sends it.
RUN: Final = "umbel.django.run"
#: By its name: that module sends this task, and needs a Django that has tasks.
_RUN_HERE: Final = "umbel.contrib.django.task_backend:run_here"


@shared_task(name=RUN, bind=True, track_started=True, ignore_result=False)
def run(self: Any, path: str, args: list[Any], kwargs: dict[str, Any], backend: str = "default") -> Any:
    """Run a task of ``django.tasks``.

    Args:
        self: this task.
        path: of the other one.
        args: its positional arguments.
        kwargs: its named arguments.
        backend: alias of the backend that has sent it.
    """
    return plugins.load(_RUN_HERE, "django.tasks")(self.request, path, args, kwargs, backend)
