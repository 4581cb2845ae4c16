"""Tasks that every app has under Celery's names, because workflows send them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from umbel.app.task.making import make_task
from umbel.app.task.task import Task
from umbel.canvas import kept_parts
from umbel.canvas.kept_parts import CHORD_DEADLINE, CHORD_UNLOCK
from umbel.wire import failures

#: Those that decide what follows them, and have no result of their own.
_BOUND: Final = frozenset({kept_parts.START_KEPT, kept_parts.FAIL_KEPT, CHORD_DEADLINE, CHORD_UNLOCK})
_MORE: Final[Mapping[str, Mapping[str, Any]]] = {CHORD_UNLOCK: {"max_retries": None}}


def add_to(app: Any, tasks: dict[str, Any]) -> None:
    """Add them to an app's tasks.

    Args:
        app: whose they are.
        tasks: by name.
    """
    for name, function in _functions(app).items():
        if name not in tasks:
            own = {"bind": True, "ignore_result": True, "throws": (Exception,)} if name in _BOUND else {"ignore_result": False}
            tasks[name] = make_task(app, function, Task, {"name": name, **own, **_MORE.get(name, {})})


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

    def drop_expired() -> int:
        """Drop expired results where the store does not do so itself; returns how many."""
        return 0 if app.store is None else app.store.cleanup()

    def unlock_chord(self: Any, group_id: str, callback: Mapping[str, Any], **waiting: Any) -> list[Any]:
        """Wait for the header of a chord, and hand its results on to the body ``callback``."""
        from umbel.app.workflows.unlocking import unlock  # few chords are waited for in this way

        return unlock(self, group_id, callback, **waiting)

    def fail_late_chord(self: Any, group_id: str, body: Mapping[str, Any], after: float, result: Any = None) -> None:
        """Fail the ``body`` of a chord whose header, ``group_id``, has not ended ``after`` so many seconds."""
        from umbel.app.workflows.deadlines import fail_late  # few chords have a limit

        fail_late(self, group_id, body, after, result)

    return {
        **_of_kept_parts(app),
        "celery.backend_cleanup": drop_expired,
        "celery.map": call_with_each,
        "celery.starmap": call_with_each_list,
        "celery.chunks": send_chunks,
        "celery.accumulate": accumulate,
        CHORD_DEADLINE: fail_late_chord,
        CHORD_UNLOCK: unlock_chord,
    }


def _of_kept_parts(app: Any) -> dict[str, Callable[..., Any]]:

    def kept(request: Any, key: str) -> None:
        """Let what waits in the result store under ``key`` follow the task that asks for it."""
        groups = app.store.groups if app.store is not None else None
        part = groups.tree(key) if groups is not None else None
        if not kept_parts.is_part(part):
            raise LookupError(f"no part of a workflow waits in the result store under {key}")
        request.embed = {"chain": kept_parts.links_of(part)}
        request.chain = request.embed["chain"]

    def start_kept(self: Any, value: Any, key: str) -> Any:
        """Hand ``value`` on to the part of a workflow that waits under ``key``."""
        kept(self.request, key)
        return value

    def fail_kept(self: Any, failure: Any, key: str) -> None:
        """Fail the part of a workflow that waits under ``key`` with the ``failure``, rendered, of what is before it."""
        kept(self.request, key)
        raise failures.rebuild(failure)

    return {kept_parts.START_KEPT: start_kept, kept_parts.FAIL_KEPT: fail_kept}
