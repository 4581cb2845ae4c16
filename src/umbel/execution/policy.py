"""`TaskPolicy`: the decided options of a task. The consumer process and the children read the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from umbel.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from umbel.execution.keys import KeyTemplate

#: Calls that may be in one batch, and the seconds for which one may be waited for: they are held by one worker.
MOST_IN_BATCH: Final = 1000
LONGEST_WAIT: Final = 3600.0
#: Values of ``rate_limit_scope``.
GLOBAL: Final = "global"
RATE_SCOPES: Final = ("worker", GLOBAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPolicy:
    """The decided options of one task: its own where it has them, else the app's settings."""

    name: str
    #: Acknowledge after the task, not before it.
    acks_late: bool = True
    #: What a lost child means for a message that is acknowledged late: redeliver (counted) or fail.
    reject_on_worker_lost: bool = True
    acks_on_failure: bool = True
    acks_on_timeout: bool = True
    ignore_result: bool = False
    store_errors: bool = False
    track_started: bool = False
    #: Seconds.
    time_limit: float | None = None
    #: Seconds.
    soft_time_limit: float | None = None
    #: Tell whoever watches what happens to it.
    send_events: bool = True
    #: Starts a second, in one worker or in all together, of the calls with the same key; ``None`` is no limit.
    rate_limit: float | None = None
    #: The rate is that of all workers together.
    is_rate_shared: bool = False
    #: A template of that key, for calls that were sent without one.
    rate_limit_key: Any = None
    #: Calls that run at a time on all workers together, of those with the same key; ``None`` is no limit.
    concurrency_limit: int | None = None
    #: A template of that key, for calls that were sent without one.
    concurrency_key: Any = None
    #: Calls that run together, at most; ``None``: each alone.
    batch_size: int | None = None
    #: Seconds for which the first of them waits for others.
    batch_wait: float = 1.0
    #: What it needs while it runs, and how much of it, in the order of their names.
    resources: tuple[tuple[str, float], ...] = ()
    #: Of the task's function, for templates.
    signature: Any = None
    #: Nothing about the task itself keeps its messages from the short way through admission.
    is_plain: bool = field(init=False)

    @property
    def needs_leases(self) -> bool:
        """It cannot be run without a lease store."""
        return self.concurrency_limit is not None or self.is_rate_shared

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "is_plain",
            not (self.time_limit or self.soft_time_limit or self.rate_limit or self.concurrency_limit or self.batch_size or self.resources),
        )  # fmt: skip


def policy_of(task: Any, conf: Any) -> TaskPolicy:
    """Decide the policy of a registered task.

    Args:
        task: an option that it does not have, or that is ``None``, is left to the settings.
        conf: the app's settings.

    Raises:
        ImproperlyConfigured: a limit is none.
    """

    def option(name: str, setting: str) -> Any:
        own = getattr(task, name, None)
        return conf[setting] if own is None else own

    size, wait = _batch(task)
    late = size is not None or bool(option("acks_late", "task_acks_late"))
    reject = option("reject_on_worker_lost", "task_reject_on_worker_lost")
    both = option("acks_on_failure_or_timeout", "task_acks_on_failure_or_timeout")
    on_failure, on_timeout = (option(name, f"task_{name}") for name in ("acks_on_failure", "acks_on_timeout"))
    limit, key = _concurrency(task)
    is_shared, rate_key = _rate_options(task)
    return TaskPolicy(
        name=task.name,
        acks_late=late,
        reject_on_worker_lost=late if reject is None else bool(reject),
        acks_on_failure=bool(both if on_failure is None else on_failure),
        acks_on_timeout=bool(both if on_timeout is None else on_timeout),
        ignore_result=bool(option("ignore_result", "task_ignore_result")),
        store_errors=bool(option("store_errors_even_if_ignored", "task_store_errors_even_if_ignored")),
        track_started=bool(option("track_started", "task_track_started")),
        time_limit=option("time_limit", "task_time_limit"),
        soft_time_limit=option("soft_time_limit", "task_soft_time_limit"),
        send_events=bool(getattr(task, "send_events", True)),
        concurrency_limit=limit,
        concurrency_key=key,
        signature=getattr(task, "__signature__", None) if key is not None or rate_key is not None else None,
        resources=_resources(task),
        batch_size=size,
        batch_wait=wait,
        is_rate_shared=is_shared and not conf.worker_disable_rate_limits,
        rate_limit_key=rate_key,
        rate_limit=None if conf.worker_disable_rate_limits else _rate_of(task.name, option("rate_limit", "task_default_rate_limit")),
    )


def _concurrency(task: Any) -> tuple[int | None, KeyTemplate | None]:
    """The limit of a task's concurrency, and the template of its key, where that is one."""
    try:
        return concurrency_of(getattr(task, "concurrency_limit", None), getattr(task, "concurrency_key", None))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {task.name}: {error}") from None


def concurrency_of(limit: Any, key: Any) -> tuple[int | None, KeyTemplate | None]:
    """Decide what the options of a limited concurrency come to.

    Args:
        limit: ``concurrency_limit``.
        key: ``concurrency_key``.

    Returns:
        The limit, or ``None`` when there is none; and the template of the key, or ``None`` where it is made in another way.

    Raises:
        TypeError: one is of another kind.
        ValueError: one makes no sense, or not without the other.
    """
    if limit is None:
        if key is not None:
            raise ValueError("concurrency_key says among which calls, and concurrency_limit how many of them run at a time: give both")
        return None, None
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"concurrency_limit must be a whole number, got {limit!r}"[:200])
    if limit < 1:
        raise ValueError(f"concurrency_limit must be at least 1, got {limit}")
    if key is None:
        return limit, None
    from umbel.execution.keys import KeyTemplate, key_option

    found = key_option("concurrency_key", key)
    return limit, found if isinstance(found, KeyTemplate) else None


def _batch(task: Any) -> tuple[int | None, float]:
    """The size of a task's batches, and the seconds for which one is waited for."""
    try:
        return batch_of(getattr(task, "batch_size", None), getattr(task, "batch_wait", 1.0))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {task.name}: {error}") from None


def _resources(task: Any) -> tuple[tuple[str, float], ...]:
    """The resources that a task needs while it runs."""
    try:
        return resources_of(getattr(task, "resources", None))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {task.name}: {error}") from None


def resources_of(given: Any) -> tuple[tuple[str, float], ...]:
    """Decide what the option ``resources`` comes to.

    Args:
        given: name → amount; ``None`` when none are needed.

    Returns:
        Names and amounts, in the order of the names.

    Raises:
        TypeError: it is another kind of thing.
        ValueError: an amount makes no sense.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping) or not all(isinstance(name, str) and name for name in given):
        raise TypeError(f"resources must be a dict of names and amounts, got {given!r}"[:200])
    for name, amount in given.items():
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise TypeError(f"resources: {name} must be a number, got {amount!r}"[:200])
        if not 0 < amount < float("inf"):
            raise ValueError(f"resources: {name} must be more than 0, got {amount}")
    return tuple(sorted((name, float(amount)) for name, amount in given.items()))


def batch_of(size: Any, wait: Any) -> tuple[int | None, float]:
    """Decide what the options of a batch come to.

    Args:
        size: ``batch_size``; ``None`` when there are no batches.
        wait: ``batch_wait``, seconds.

    Raises:
        TypeError: one is of another kind.
        ValueError: one makes no sense.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
        raise TypeError(f"batch_size must be a whole number, got {size!r}"[:200])
    if size is not None and not 1 <= size <= MOST_IN_BATCH:
        raise ValueError(f"batch_size must be from 1 to {MOST_IN_BATCH}, got {size}")
    if isinstance(wait, bool) or not isinstance(wait, (int, float)):
        raise TypeError(f"batch_wait must be a number of seconds, got {wait!r}"[:200])
    if not 0 <= wait <= LONGEST_WAIT:
        raise ValueError(f"batch_wait must be from 0 to {LONGEST_WAIT:g} seconds, got {wait}")
    return size, float(wait)


def _rate_options(task: Any) -> tuple[bool, KeyTemplate | None]:
    """The scope of a task's rate: whether it is that of all workers; and the template of its key, where that is one."""
    try:
        return rate_options_of(getattr(task, "rate_limit_scope", None), getattr(task, "rate_limit_key", None))
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"task {task.name}: {error}") from None


def rate_options_of(scope: Any, key: Any) -> tuple[bool, KeyTemplate | None]:
    """Decide what the options beside ``rate_limit`` come to.

    Args:
        scope: ``rate_limit_scope``: ``"worker"``, which is meant when not given, or ``"global"``.
        key: ``rate_limit_key``.

    Returns:
        Whether the rate is that of all workers together; and the template of the key, or ``None`` where it is made in another way.

    Raises:
        TypeError: the key is of another kind.
        ValueError: the scope is none, or the key is no template.
    """
    if scope not in (None, *RATE_SCOPES):
        raise ValueError(f"rate_limit_scope must be 'worker' or 'global', got {scope!r}"[:200])
    if key is None:
        return scope == GLOBAL, None
    from umbel.execution.keys import KeyTemplate, key_option

    found = key_option("rate_limit_key", key)
    return scope == GLOBAL, found if isinstance(found, KeyTemplate) else None


def _rate_of(name: str, limit: Any) -> float | None:
    """Starts a second."""
    if limit is None:
        return None
    from umbel.runtime.rates import rate  # few tasks have one

    try:
        return rate(limit)
    except ValueError as error:
        raise ImproperlyConfigured(f"task {name}: rate_limit {error}") from None
