"""`UmbelBackend`: a backend of ``django.tasks`` (Django 6), or of its forerunner, the package django-tasks.

A task travels as a call of ``umbel.django.run``. What Django wants to know of it, and no result says, is kept under the id of the call and a suffix, beside its result.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core import checks
from django.utils.module_loading import import_string

try:
    from django import tasks as api
    from django.tasks import base, exceptions, signals
    from django.tasks.backends.base import BaseTaskBackend
except ImportError:  # before Django 6
    import django_tasks as api
    from django_tasks import base, exceptions, signals
    from django_tasks.backends.base import BaseTaskBackend

from umbel import states
from umbel.app.proxies import get_current_app, new_id
from umbel.contrib.django.tasks import RUN
from umbel.errors import ImproperlyConfigured
from umbel.results.base import ResultStore
from umbel.results.model import Record

_SUFFIX: Final = ".task"
#: The state of what is kept beside a result.
_DETAILS: Final = "DETAILS"
_STATUS: Final = {
    states.STARTED: base.TaskResultStatus.RUNNING,
    states.SUCCESS: base.TaskResultStatus.SUCCESSFUL,
    states.FAILURE: base.TaskResultStatus.FAILED,
    states.REVOKED: base.TaskResultStatus.FAILED,
}
#: Django's priorities are -100 to 100, the higher first; a message's are 0 to 9.
_HIGHEST: Final = 9


class UmbelBackend(BaseTaskBackend):
    """Runs tasks in Umbel's workers: ``TASKS = {"default": {"BACKEND": "umbel.contrib.django.task_backend.UmbelBackend"}}``.

    Args:
        alias: of the backend.
        params: of the setting; ``QUEUES`` names those that tasks may ask for.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Send a task; inside a transaction it is a row of the outbox, where the project has one.

        Args:
            task: of Django.
            args: positional arguments, which JSON can hold.
            kwargs: named arguments.

        Raises:
            InvalidTask: the backend cannot run it.
            OperationalError: the broker or the result store is away.
        """
        self.validate_task(task)
        found = _result(task, new_id(), args, kwargs, self.alias)
        object.__setattr__(found, "enqueued_at", datetime.now(UTC))  # noqa: TID251 - a time for people
        app = get_current_app()
        _store(app).store([_details(found)])
        app.send_task(
            RUN,
            (task.module_path, found.args, found.kwargs, self.alias),
            task_id=found.id,
            queue=None if task.queue_name == api.DEFAULT_TASK_QUEUE_NAME else task.queue_name,
            eta=task.run_after,
            priority=_priority(app, task.priority),
            shadow=task.module_path,
        )
        signals.task_enqueued.send(type(self), task_result=found)
        return found

    def get_result(self, result_id: str) -> Any:
        """Find a task that was sent.

        Args:
            result_id: its id.

        Raises:
            TaskResultDoesNotExist: there is none.
        """
        store = _store(get_current_app())
        records = store.fetch([result_id, result_id + _SUFFIX])
        details = records.get(result_id + _SUFFIX)
        if details is None or details.status != _DETAILS:
            raise exceptions.TaskResultDoesNotExist(result_id)
        return _read(result_id, details.result, records.get(result_id))

    async def aget_result(self, result_id: str) -> Any:
        """`get_result` for coroutines.

        Args:
            result_id: of the task.
        """
        return await sync_to_async(self.get_result, thread_sensitive=True)(result_id=result_id)

    def check(self, **kwargs: Any) -> list[Any]:
        """Look whether results are kept.

        Args:
            kwargs: of Django.
        """
        try:
            _store(get_current_app())
        except ImproperlyConfigured as error:
            return [checks.Error(str(error), id="umbel.E003")]
        return []


def run_here(request: Any, path: str, args: list[Any], kwargs: dict[str, Any], backend: str) -> Any:
    """Run a task of Django, in a worker; returns what it returns, as JSON holds it.

    Args:
        request: of the run.
        path: of the task.
        args: positional arguments.
        kwargs: named arguments.
        backend: alias of the backend that has sent it.
    """
    task = _task(path)
    store = _store(get_current_app())
    known = store.fetch([request.id + _SUFFIX]).get(request.id + _SUFFIX)
    found = _result(task, request.id, args, kwargs, backend) if known is None else _read(request.id, known.result, None)
    now = datetime.now(UTC)  # noqa: TID251
    changes = {"status": base.TaskResultStatus.RUNNING, "started_at": found.started_at or now, "last_attempted_at": now}
    _set(found, **changes, worker_ids=[*found.worker_ids, request.hostname or ""])
    store.store([_details(found)])
    sender = type(task.get_backend())
    signals.task_started.send(sender=sender, task_result=found)
    try:
        context = (base.TaskContext(task_result=found),) if task.takes_context else ()
        value = _normalized(task.call(*context, *found.args, **found.kwargs))
    except BaseException as error:
        _set(found, status=base.TaskResultStatus.FAILED, finished_at=datetime.now(UTC))  # noqa: TID251
        kind = type(error)
        found.errors.append(base.TaskError(exception_class_path=f"{kind.__module__}.{kind.__qualname__}", traceback=str(error)))
        signals.task_finished.send(sender=sender, task_result=found)
        raise
    _set(found, status=base.TaskResultStatus.SUCCESSFUL, finished_at=datetime.now(UTC), _return_value=value)  # noqa: TID251
    signals.task_finished.send(sender=sender, task_result=found)
    return value


def _store(app: Any) -> ResultStore:
    found: ResultStore | None = app.store
    if found is None or not found.shared:
        raise ImproperlyConfigured(
            "django.tasks needs a result store that every process can read: set UMBEL_RESULT_BACKEND, e.g. to django-db"
        )
    return found


def _task(path: str) -> Any:
    found = import_string(path)
    if not isinstance(found, base.Task):
        raise ImproperlyConfigured(f"{path} is no task of django.tasks")
    return found


def _set(found: Any, **changes: Any) -> None:
    for name, value in changes.items():
        object.__setattr__(found, name, value)  # as Django's own backends do: it is frozen for users


def _normalized(value: Any) -> Any:
    try:
        from django.utils.json import normalize_json
    except ImportError:
        from django_tasks.utils import normalize_json
    return normalize_json(value)


def _result(task: Any, result_id: str, args: Any, kwargs: Any, backend: str) -> Any:
    times = dict.fromkeys(("enqueued_at", "started_at", "finished_at", "last_attempted_at"))
    return base.TaskResult(
        task=task,
        id=result_id,
        status=base.TaskResultStatus.READY,
        args=list(args),
        kwargs=dict(kwargs),
        backend=backend,
        errors=[],
        worker_ids=[],
        **times,
    )


_TIMES: Final = ("enqueued_at", "started_at", "last_attempted_at")


def _details(found: Any) -> Record:
    """Write what is kept beside a result."""
    task = found.task
    kept = {
        "path": task.module_path,
        "priority": task.priority,
        "queue": task.queue_name,
        "run_after": task.run_after and task.run_after.isoformat(),
        "args": found.args,
        "kwargs": found.kwargs,
        "backend": found.backend,
        "workers": found.worker_ids,
        **{name: (value := getattr(found, name)) and value.isoformat() for name in _TIMES},
    }
    return Record(task_id=found.id + _SUFFIX, status=_DETAILS, result=kept)


def _read(result_id: str, kept: dict[str, Any], record: Record | None) -> Any:
    """Make Django's view of a task from what is kept, and from its result."""
    run_after = kept["run_after"] and datetime.fromisoformat(kept["run_after"])
    task = dataclasses.replace(
        _task(kept["path"]), priority=kept["priority"], queue_name=kept["queue"], run_after=run_after, backend=kept["backend"]
    )
    found = _result(task, result_id, kept["args"], kept["kwargs"], kept["backend"])
    _set(found, worker_ids=list(kept["workers"]), **{name: kept[name] and datetime.fromisoformat(kept[name]) for name in _TIMES})
    if record is None:
        return found
    _set(found, status=_STATUS.get(record.status, base.TaskResultStatus.READY))
    if record.status == states.SUCCESS:
        _set(found, _return_value=record.result)
    elif record.status in (states.FAILURE, states.REVOKED) and isinstance(record.result, dict):
        path = ".".join(part for part in (record.result.get("exc_module"), record.result.get("exc_type")) if part)
        found.errors.append(base.TaskError(exception_class_path=path, traceback=record.traceback or ""))
    if record.date_done and record.status in states.READY_STATES:
        _set(found, finished_at=datetime.fromisoformat(record.date_done))
    return found


def _priority(app: Any, priority: int) -> int:
    """A message's priority, in the direction in which this app writes them."""
    level = round((priority + 100) * _HIGHEST / 200)
    order = app.conf.priority_order
    higher_first = app.broker.capabilities.higher_first if order == "broker" else order == "higher-first"
    return level if higher_first else _HIGHEST - level
