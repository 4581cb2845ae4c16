"""Unique calls: from options and arguments to a key, and what becomes of a call whose key is held. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from umbel.app.sending.keyed.making import key_of_call
from umbel.app.sending.options import PublishOptions
from umbel.execution.keys import KeyTemplate, key_option
from umbel.leases.base import Lease
from umbel.messages.task_keys import FINISH, NEWER, START, TaskKeys, lease_name

#: What becomes of a call whose key is held: its caller gets the handle of the one that has it, or an error; or it takes that one's place, at once or when there
#: was none for a while; or there is one in so many seconds.
RETURN, RAISE, REPLACE, DEBOUNCE, THROTTLE = "return", "raise", "replace", "debounce", "throttle"
_UNTIL: Final = (START, FINISH)
_ON_CONFLICT: Final = (RETURN, RAISE, REPLACE, DEBOUNCE, THROTTLE)
#: Seconds for which a key is held while a message waits, unless a task says otherwise.
USUAL: Final = 3600.0
#: Seconds for which a key is held while its message is being published: should its sender die meanwhile, it is free after that.
CLAIMED: Final = 30.0


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """The unique options of a task or a call, decided."""

    #: ``None``: the arguments as a whole.
    key: KeyTemplate | Callable[..., Any] | None
    #: See `umbel.app.task.options.TaskOptions`.
    seconds: float
    #: START, FINISH or NEWER.
    until: str
    on_conflict: str


class UniqueCall(NamedTuple):
    """The unique key of one call."""

    #: Name of the task.
    task: str
    #: Of its lease.
    name: str
    #: For which it is held once the message is with the broker.
    seconds: float
    on_conflict: str
    #: Something waits for this very call: what follows it in a workflow, or a callback. It is sent whoever has the key, and waits for it in a worker.
    is_promised: bool
    #: For the worker; ``None`` where the key is no business of its.
    keys: TaskKeys | None

    def lease(self, task_id: str, seconds: float) -> Lease:
        """Ask for the key.

        Args:
            task_id: of the call; it is the owner.
            seconds: for which it is to be held.
        """
        return Lease(self.name, task_id, seconds, takes_over=self.on_conflict in (REPLACE, DEBOUNCE))


def rule_of(key: Any, seconds: Any, until: Any, on_conflict: Any) -> UniqueRule | None:
    """Decide what the unique options of a task or a call come to; ``None`` where there is to be no key.

    Args:
        key: ``unique_key``.
        seconds: ``unique_for``.
        until: ``unique_until``.
        on_conflict: ``unique_on_conflict``.

    Raises:
        TypeError: one is of another kind.
        ValueError: one makes no sense, or not with another one.
    """
    if key is False or (key is seconds is until is on_conflict is None):
        return None
    conflict = RETURN if on_conflict is None else on_conflict
    for name, value, known in (("unique_until", until, _UNTIL), ("unique_on_conflict", on_conflict, _ON_CONFLICT)):
        if value is not None and value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}"[:200])
    if conflict in (REPLACE, DEBOUNCE) and until == FINISH:
        raise ValueError(
            f"unique_on_conflict={conflict!r} concerns calls that wait: a task that runs cannot be replaced, so unique_until is 'start'"
        )
    if conflict == THROTTLE and until is not None:
        raise ValueError("unique_on_conflict='throttle' goes by time alone (unique_for): leave unique_until out")
    if conflict in (DEBOUNCE, THROTTLE) and seconds is None:
        what = "without another call" if conflict == DEBOUNCE else "between two calls"
        raise ValueError(f"unique_on_conflict={conflict!r} needs unique_for: the seconds {what}")
    ends = NEWER if conflict in (REPLACE, DEBOUNCE) else until or FINISH
    return UniqueRule(key_option("unique_key", key), _seconds(seconds), ends, conflict)


def _seconds(given: Any) -> float:
    if given is None:
        return USUAL
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"unique_for must be a number of seconds or a timedelta, got {given!r}"[:200])
    if not 0 < seconds < math.inf:
        raise ValueError(f"unique_for must be more than 0 seconds, got {given!r}")
    return float(seconds)


def delayed(options: PublishOptions) -> PublishOptions:
    """Have a debounced call wait for its quiet time, unless it says for itself when it may begin.

    Args:
        options: of the call, its task and its route.
    """
    if options.unique_on_conflict != DEBOUNCE or options.unique_key is False or options.countdown is not None or options.eta is not None:
        return options
    return replace(options, countdown=_seconds(options.unique_for))


def unique_call(
    options: PublishOptions, task: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], waits: float
) -> UniqueCall | None:
    """Find the unique key of a call; ``None`` where it has none.

    Args:
        options: of the call, its task and its route.
        task: the task object, where there is one.
        name: of the task.
        args: positional arguments.
        kwargs: keyword arguments.
        waits: seconds until it may begin.

    Raises:
        TypeError: an option is of another kind; or the arguments cannot be compared.
        ValueError: an option makes no sense; or the arguments have no such field.
    """
    rule = rule_of(options.unique_key, options.unique_for, options.unique_until, options.unique_on_conflict)
    if rule is None:
        return None
    key = key_of_call("unique_key", rule.key, task, name, args, kwargs)
    if key is None:
        return None
    # A throttled key is held for its time and no longer; a debounced one's time is that for which the message waits.
    held = rule.seconds if rule.on_conflict == THROTTLE else waits + (USUAL if rule.on_conflict == DEBOUNCE else rule.seconds)
    return UniqueCall(
        name,
        lease_name("unique", name, key),
        held,
        rule.on_conflict,
        bool(options.chain or options.chord or options.link or options.link_error),
        None if rule.on_conflict == THROTTLE else TaskKeys(unique=key, until=rule.until, seconds=held - waits),
    )
