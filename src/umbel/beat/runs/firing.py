"""Sending one run: what stands in the entry becomes a call of its task, with the run's id and a header that names the entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from umbel.app.sending.queues import worker_direct
from umbel.beat.entries.model import Run, Spec
from umbel.beat.runs.lazy import evaluate

#: Header of a periodic task's message: the name of its entry. django-celery-beat has it, too.
HEADER: Final = "periodic_task_name"
#: Seconds that one attempt to publish may take: well below the time for which a lease is trusted.
TIMEOUT: Final = 4.0


def send(app: Any, spec: Spec, run: Run, expires: float | None = None, *, confirm: bool = False) -> None:
    """Send the task of a run.

    Args:
        app: that sends it.
        spec: of its entry.
        run: with the task's id, and the worker that it is for.
        expires: seconds since the epoch after which it is not to begin.
        confirm: wait until the broker has it.

    Raises:
        OperationalError: the broker cannot be reached, or does not take it.
        Exception: it cannot be sent as it is: an argument that is made now, the app's own listeners, an unknown queue.
    """
    args, kwargs = evaluate(spec.args, spec.kwargs)
    options = {**spec.options, "task_id": run.task_id, "retry": False}
    options.setdefault("timeout", TIMEOUT)
    if confirm:
        options["confirm"] = True
    options["headers"] = {**(options.get("headers") or {}), HEADER: run.entry}
    if expires is not None and "expires" not in options:
        options["expires"] = datetime.fromtimestamp(expires, app.timezone)
    if run.worker:
        options["queue"] = worker_direct(run.worker)
    task = app.tasks.get(spec.task)
    if task is not None:
        task.apply_async(args, kwargs, **options)
    else:
        app.send_task(spec.task, args, kwargs, **options)
