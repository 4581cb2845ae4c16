"""`TaskOptions`: the attributes of a task that say how it is sent and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from umbel.app.config.attributes import from_setting
from umbel.errors import MaxRetriesExceededError, OperationalError
from umbel.typing import When

#: Attributes of a task that are calling options of its messages.
SENDING = (
    "queue", "exchange", "routing_key", "priority", "expires", "serializer", "delivery_mode", "compression", "time_limit", "soft_time_limit",
    "mandatory", "unique_key", "unique_for", "unique_until", "unique_on_conflict", "concurrency_key", "rate_limit_key",
)  # fmt: skip
#: … those that make a call unique.
UNIQUE = ("unique_key", "unique_for", "unique_until", "unique_on_conflict")
#: … those that make keys of a call's arguments.
KEYED = (*UNIQUE, "concurrency_key", "rate_limit_key")


class TaskOptions:
    """Options of a task: of its messages, of its run, of its result."""

    app: ClassVar[Any] = None
    name: str = ""

    MaxRetriesExceededError = MaxRetriesExceededError
    OperationalError = OperationalError

    # What each means is told to users at `umbel.Umbel.task`.

    #: Check arguments where the call is made; the app's ``strict_typing`` when not said.
    typing: bool | None = None
    #: The decorator's ``bind=True``: the function is given the task.
    bound: bool = False
    #: A base of tasks, no task.
    abstract: bool = True

    # Of its messages.
    queue: str | None = None
    exchange: str | None = None
    exchange_type: str | None = None
    routing_key: str | None = None
    #: 0 to 255.
    priority: int | None = None
    #: 1 or transient, 2 or persistent.
    delivery_mode: int | str | None = None
    mandatory: bool | None = None
    immediate: bool | None = None
    #: Seconds, or a time.
    expires: When | None = None
    serializer: str | None = None
    compression: str | None = None
    #: A template over the arguments such as ``"tenant:{0}"``, a function of them, or True: the arguments as a whole.
    unique_key: str | Callable[..., str | None] | bool | None = None
    #: Seconds.
    unique_for: float | timedelta | None = None
    #: ``start`` or ``finish``.
    unique_until: str | None = None
    #: ``return``, ``raise``, ``replace``, ``debounce`` or ``throttle``.
    unique_on_conflict: str | None = None

    # Of its runs.
    #: Seconds.
    time_limit: float | None = None
    #: Seconds.
    soft_time_limit: float | None = None
    #: Calls that run at a time, on all workers together.
    concurrency_limit: int | None = None
    #: As `unique_key`: the limit is for the calls with the same key.
    concurrency_key: str | Callable[..., str | None] | None = None
    #: What it needs of its worker while it runs: name → amount.
    resources: Mapping[str, float] | None = None
    #: A second, or text such as ``"10/m"``.
    rate_limit: str | float | None = from_setting("task_default_rate_limit")
    #: ``worker`` or ``global``: the rate of each worker, or of all together.
    rate_limit_scope: str | None = None
    #: As `unique_key`: the rate is that of the calls with the same key.
    rate_limit_key: str | Callable[..., str | None] | None = None
    #: Calls that run together, at most; the function takes a list of `umbel.Call`.
    batch_size: int | None = None
    #: Seconds for which the first call of a batch waits for others.
    batch_wait: float = 1.0
    acks_late: bool = from_setting("task_acks_late")
    acks_on_failure_or_timeout: bool = from_setting("task_acks_on_failure_or_timeout")
    acks_on_failure: bool | None = from_setting("task_acks_on_failure")
    acks_on_timeout: bool | None = from_setting("task_acks_on_timeout")
    reject_on_worker_lost: bool | None = from_setting("task_reject_on_worker_lost")
    #: Exceptions that are expected: logged without traceback.
    throws: tuple[type[BaseException], ...] = ()

    # Of its retries.
    #: How often it may be tried again; ``None``: for ever.
    max_retries: int | None = 3
    #: Seconds.
    default_retry_delay: float = 180
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    #: Arguments of ``retry()`` for these.
    retry_kwargs: Mapping[str, Any] | None = None
    #: True, or seconds before the first retry; doubles each time.
    retry_backoff: bool | float = False
    #: Seconds.
    retry_backoff_max: float = 600
    retry_jitter: bool = True

    # Of its results.
    ignore_result: bool = from_setting("task_ignore_result")
    store_errors_even_if_ignored: bool = from_setting("task_store_errors_even_if_ignored")
    store_eager_result: bool = from_setting("task_store_eager_result")
    track_started: bool = from_setting("task_track_started")
    send_events: bool = True
    trail: bool = True
    #: Characters.
    resultrepr_maxsize: int = 1024

    def sending_options(self) -> dict[str, Any]:
        """The calling options that the task has as attributes."""
        return {name: value for name in SENDING if (value := getattr(self, name)) is not None}

    @property
    def has_keys(self) -> bool:
        """Its calls differ in keys that are made of their arguments."""
        return any(getattr(self, name) is not None for name in KEYED)
