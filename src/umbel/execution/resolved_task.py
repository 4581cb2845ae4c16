"""`ResolvedTask`: the parts of a task that the runner needs, looked up once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from umbel.execution.policy import policy_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedTask:
    """One task as the runner sees it: its function, its options, its handlers. Handlers are ``None`` where the task does not override them."""

    task: Any
    name: str
    call: Callable[..., Any]
    is_async: bool
    ignore_result: bool
    store_errors: bool
    track_started: bool
    acks_on_failure: bool
    acks_on_timeout: bool
    throws: tuple[type[BaseException], ...]
    autoretry_for: tuple[type[BaseException], ...]
    dont_autoretry_for: tuple[type[BaseException], ...]
    before_start: Callable[..., Any] | None
    on_success: Callable[..., Any] | None
    on_failure: Callable[..., Any] | None
    on_retry: Callable[..., Any] | None
    after_return: Callable[..., Any] | None
    has_success_handlers: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_success_handlers", self.on_success is not None or self.after_return is not None)


def resolve_task(task: Any) -> ResolvedTask:
    """Look up the parts of ``task`` that the runner needs."""
    policy = policy_of(task, task.app.conf)
    return ResolvedTask(
        task=task,
        name=task.name,
        call=task.entry_point(),
        is_async=inspect.iscoroutinefunction(task.run),
        ignore_result=policy.ignore_result,
        store_errors=policy.store_errors,
        track_started=policy.track_started,
        acks_on_failure=policy.acks_on_failure,
        acks_on_timeout=policy.acks_on_timeout,
        throws=_types(task, "throws"),
        autoretry_for=_types(task, "autoretry_for"),
        dont_autoretry_for=_types(task, "dont_autoretry_for"),
        before_start=_handler(task, "before_start"),
        on_success=_handler(task, "on_success"),
        on_failure=_handler(task, "on_failure"),
        on_retry=_handler(task, "on_retry"),
        after_return=_handler(task, "after_return"),
    )


def _types(task: Any, name: str) -> tuple[type[BaseException], ...]:
    found = getattr(task, name, ()) or ()
    return tuple(found) if isinstance(found, (tuple, list, set, frozenset)) else (found,)


def _handler(task: Any, name: str) -> Callable[..., Any] | None:
    """A handler that does something: one that `Task` itself defines is marked as doing nothing."""
    method = getattr(task, name, None)
    return None if method is None or getattr(method, "does_nothing", False) else method
