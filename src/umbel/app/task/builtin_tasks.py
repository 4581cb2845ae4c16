"""Tasks that every app has under Celery's names, because workflows send them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel.app.task.making import make_task
from umbel.app.task.task import Task
from umbel.canvas import kept_bodies


def add_to(app: Any, tasks: dict[str, Any]) -> None:
    """Add them to an app's tasks.

    Args:
        app: whose they are.
        tasks: by name.
    """
    for name, function in _functions(app).items():
        if name not in tasks:
            tasks[name] = make_task(app, function, Task, {"name": name, "ignore_result": False})


def _functions(app: Any) -> dict[str, Callable[..., Any]]:

    def called(task: Mapping[str, Any]) -> Callable[..., Any]:
        from umbel.canvas.signatures import maybe_signature

        found: Callable[..., Any] = maybe_signature(task, app)
        return found

    def call_with_each(task: Mapping[str, Any], it: Iterable[Any]) -> list[Any]:
        """Call a task with each item."""
        call = called(task)
        return [call(item) for item in it]

    def call_with_each_list(task: Mapping[str, Any], it: Iterable[Any]) -> list[Any]:
        """Call a task with each list of arguments."""
        call = called(task)
        return [call(*items) for items in it]

    def send_chunks(task: Mapping[str, Any], it: Iterable[Any], n: int) -> Any:
        """Send the messages of chunks; returns the tree of their results."""
        from umbel.canvas.signatures import chunks

        return chunks(task, it, n, app=app)().as_tuple()

    def accumulate(*args: Any, **kwargs: Any) -> Any:
        """Hand on its arguments, or the one at ``index``."""
        index = kwargs.get("index")
        return args if index is None else args[index]

    def start_body(results: Any, key: str) -> None:
        """Start the body of a chord that waits in the result store under ``key``: a worker of Celery has ended its header."""
        groups = app.store.groups if app.store is not None else None
        body = groups.tree(key) if groups is not None else None
        if groups is None or not kept_bodies.is_body(body):
            raise LookupError(f"there is no body of a chord in the result store under {key}")
        signature: Any = called(body)
        signature.apply_async((results,))
        groups.forget(key)

    return {
        kept_bodies.START_BODY: start_body,
        "celery.map": call_with_each,
        "celery.starmap": call_with_each_list,
        "celery.chunks": send_chunks,
        "celery.accumulate": accumulate,
    }
