"""Try again, or give up: decided from values only."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from umbel.errors import MaxRetriesExceededError

#: RabbitMQ's delay exchange for Celery's native delayed delivery; its keys have 28 binary digits before the queue's name.
_DELAYED_EXCHANGE = "celery_delayed"
_DELAYED_DIGITS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAttempt:
    """One more run of a task, to be sent."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    retries: int
    #: Seconds from now; ``eta`` outranks it.
    countdown: float | None = None
    eta: datetime | str | None = None
    #: More calling options, given to ``retry()``.
    options: Mapping[str, Any] = field(default_factory=dict)


def may_retry(retries: int, max_retries: int | None) -> bool:
    """Report whether a task that was tried again ``retries`` times may be once more; ``max_retries`` of ``None`` is no limit."""
    return max_retries is None or retries < max_retries


def backoff(retries: int, factor: float, maximum: float, *, jitter: bool, share: float | None = None) -> float:
    """Return the seconds until the next attempt: ``factor`` × 2^retries, at most ``maximum``.

    Args:
        retries: attempts after the first one so far.
        factor: seconds before the first retry.
        maximum: seconds.
        jitter: anything from nothing to the delay, so that tasks which failed together do not come back together.
        share: the share of the delay to take with jitter; random when not given.
    """
    delay = min(float(maximum), factor * 2.0 ** min(retries, 60))
    if jitter:
        delay *= random.random() if share is None else share  # noqa: S311 - not for secrets
    return max(0.0, delay)


def autoretry_countdown(task: Any, retries: int) -> dict[str, Any]:
    """Return the arguments of ``retry()`` for an exception in ``autoretry_for``.

    Args:
        task: its options decide.
        retries: attempts after the first one so far.
    """
    arguments: dict[str, Any] = dict(task.retry_kwargs or {})
    if task.retry_backoff:
        factor = 1.0 if task.retry_backoff is True else float(task.retry_backoff)
        arguments["countdown"] = backoff(retries, factor, task.retry_backoff_max, jitter=bool(task.retry_jitter))
    return arguments


def give_up(name: str, request: Any, exc: BaseException | None) -> BaseException:
    """Return the error to raise when a task may not be tried again.

    Args:
        name: of the task.
        request: of the task.
        exc: the error that the task gave as the cause, if any.
    """
    if exc is not None:
        return exc
    return MaxRetriesExceededError(
        f"Can't retry {name}[{request.id}] args:{tuple(request.args)} kwargs:{request.kwargs}",
        task_args=request.args,
        task_kwargs=request.kwargs,
    )


def options_of(request: Any, attempt: NextAttempt) -> dict[str, Any]:
    """Return the calling options of the next attempt: those of this one, sent to where this one came from.

    Args:
        request: of the task.
        attempt: what the task asked for.
    """
    options = request.as_execution_options()
    options.update(
        retries=attempt.retries,
        parent_id=request.parent_id or request.id,
        countdown=None if attempt.eta is not None else attempt.countdown,
        eta=attempt.eta,
        properties={"origin": request.origin} if request.origin else {},
        add_to_parent=False,
    )
    if attempt.args is request.args and attempt.kwargs is request.kwargs:  # also keeps what the caller wanted hidden
        options.update(argsrepr=request.argsrepr, kwargsrepr=request.kwargsrepr)
    exchange, routing_key = _address(request)
    if routing_key and not {"queue", "exchange", "routing_key"} & attempt.options.keys():
        options.update(exchange=exchange, routing_key=routing_key)
    options["priority"] = (request.properties or {}).get("priority")
    options.update(attempt.options)
    return {name: value for name, value in options.items() if value is not None}


def _address(request: Any) -> tuple[str, str]:
    exchange, routing_key, _ = request.address
    if exchange.startswith(_DELAYED_EXCHANGE):
        return "", routing_key.split(".", _DELAYED_DIGITS)[-1]
    return exchange, routing_key
