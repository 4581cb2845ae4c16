"""`PublishOptions`: everything that can be said about one call of a task. Keywords end here; below nobody takes ``**options``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from umbel.app.argument_check import nearly, warn_of_typing_errors
from umbel.canvas.shapes import copied
from umbel.errors import ImproperlyConfigured

#: AMQP properties that may be given by name.
PROPERTIES: Final = frozenset({
    "user_id", "app_id", "message_id", "type", "timestamp", "cluster_id", "correlation_id", "expiration",
})  # fmt: skip
#: Celery's, about connections and classes that Umbel has no use for; celery-once's; and what is used before a message is rendered.
_IGNORED: Final = frozenset({
    "connection", "producer", "publisher", "event_dispatcher", "exchange_type", "immediate", "declare", "router", "result_cls", "task_type",
    "confirm_timeout", "once", "chord_size", "chord_timeout", "throw", "utc", "now", "root", "taskset_id",
})  # fmt: skip
_DURATIONS: Final = frozenset({"countdown", "expires", "time_limit", "soft_time_limit", "timeout", "unique_for"})
#: How headers begin that only Umbel sets.
_RESERVED: Final = "x-umbel-"
_POLICY: Final = ("errback", "interval_max", "interval_start", "interval_step", "max_retries", "on_revive", "retry_errors")
#: Another word for the same.
_ALIASES: Final = {"group": "group_id", "max_wait": "timeout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The options of one call. ``None`` always means: not said."""

    task_id: str | None = None
    #: Seconds from now.
    countdown: float | None = None
    eta: datetime | str | None = None
    #: Seconds from now, a time, or ISO 8601.
    expires: float | datetime | str | None = None
    #: A queue's name, or a queue.
    queue: Any = None
    exchange: str | None = None
    routing_key: str | None = None
    #: Look this name up in task_routes, in place of the task's.
    route_name: str | None = None
    priority: int | None = None
    #: 1 or transient, 2 or persistent.
    delivery_mode: int | str | None = None
    #: An unroutable message is an error.
    mandatory: bool | None = None
    #: Wait until the broker has the message.
    confirm: bool = False
    #: Seconds that publishing may take.
    timeout: float | None = None
    #: ``False``: one attempt to reach the broker.
    retry: bool | None = None
    #: ``max_retries`` of it counts; the waits are Umbel's own.
    retry_policy: Mapping[str, Any] | None = None
    serializer: str | None = None
    compression: str | None = None
    headers: Mapping[str, Any] | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    shadow: str | None = None
    origin: str | None = None
    link: Sequence[Mapping[str, Any]] = ()
    link_error: Sequence[Mapping[str, Any]] = ()
    chain: Sequence[Mapping[str, Any]] | None = None
    chord: Mapping[str, Any] | None = None
    group_id: str | None = None
    group_index: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    add_to_parent: bool = True
    reply_to: str | None = None
    retries: int = 0
    replaced_task_nesting: int = 0
    stamped_headers: Sequence[str] | None = None
    stamps: Mapping[str, Any] = field(default_factory=dict)
    time_limit: float | None = None
    soft_time_limit: float | None = None
    ignore_result: bool | None = None
    #: See `umbel.app.sending.keyed.unique`.
    unique_key: Any = None
    unique_for: float | timedelta | None = None
    unique_until: str | None = None
    unique_on_conflict: str | None = None
    #: More message properties, AMQP's or the transport's.
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_unique(self) -> bool:
        """It has a unique key, or is to have none though its task has."""
        return any(each is not None for each in (self.unique_key, self.unique_for, self.unique_until, self.unique_on_conflict))

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, lenient: bool = False) -> PublishOptions:
        """The options of a call.

        Args:
            given: by name.
            lenient: pass over unknown names: they come in a signature from another program.

        Raises:
            TypeError: there is no such option; the text suggests the one that was meant.
            ImproperlyConfigured: a signature among them is none.
        """
        known: dict[str, Any] = {}
        properties: dict[str, Any] = dict(given.get("properties") or {})
        stamps: dict[str, Any] = dict(given.get("stamps") or {})
        stamped = given.get("stamped_headers") or ()
        for name, value in given.items():
            name = _ALIASES.get(name, name)  # noqa: PLW2901
            if name in _FIELDS:
                if value is not None:
                    known[name] = value
            elif name in stamped:
                stamps[name] = value
            elif name in PROPERTIES or name[:1].isupper():
                if value is not None:
                    properties[name] = _milliseconds(value) if name == "expiration" else value
            elif name not in _IGNORED:
                if not lenient:
                    raise TypeError(_unknown(name))
                warn_of_typing_errors("a signature or retry()", (name,), (*OPTIONS, "max_retries"))
        if lenient and isinstance(known.get("headers"), Mapping):
            known["headers"] = {name: value for name, value in known["headers"].items() if not str(name).startswith(_RESERVED)}
        known.update(_checked(known))
        return cls(**{**known, "properties": properties, "stamps": stamps})

    def over(self, weaker: Mapping[str, Any]) -> PublishOptions:
        """These options, and the ``weaker`` ones (a task's, a route's) where nothing was said.

        Who names a queue means that queue: a weaker exchange does not lead away from it.
        """
        fixed = _NEVER_ROUTED if self.queue is None else _NEVER_ROUTED | {"exchange"}
        missing = {
            name: value
            for name, value in weaker.items()
            if value is not None and name in _FIELDS and name not in fixed and getattr(self, name) is None
        }
        return replace(self, **missing) if missing else self


_FIELDS: Final = frozenset(each.name for each in fields(PublishOptions))
#: The names of calling options.
OPTIONS: Final = _FIELDS | PROPERTIES | _IGNORED | _ALIASES.keys()
#: What a route must not decide, because it names one call.
_NEVER_ROUTED: Final = frozenset(
    {"task_id", "link", "link_error", "chain", "chord", "properties", "stamps", "root_id", "parent_id", "route_name"}
)

#: Characters of a task's id.
_LONGEST_ID: Final = 255


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    fixed: dict[str, Any] = {}
    if getattr(given.get("exchange"), "name", None) is not None:
        fixed["exchange"] = given["exchange"].name
    for name in ("link", "link_error"):
        if name in given:
            fixed[name] = tuple(_signature(name, each) for each in _listed(given[name]))
    if "chain" in given:
        fixed["chain"] = tuple(_signature("chain", each) for each in _listed(given["chain"]))
    if "chord" in given:
        fixed["chord"] = _signature("chord", given["chord"])
    fixed.update(_times(given))
    priority = given.get("priority")
    if priority is not None and (isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 255):
        raise ValueError(f"priority must be a whole number from 0 to 255, got {priority!r}")
    if "task_id" in given:
        _check_id(given["task_id"])
    for name in given.get("retry_policy") or ():
        if meant := nearly(name, _POLICY):
            raise TypeError(f"retry_policy has no {name}; did you mean {meant}?")
    headers = given.get("headers")
    if headers is not None and not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a dict, got {type(headers).__name__}")
    if reserved := [name for name in headers or () if isinstance(name, str) and name.startswith(_RESERVED)]:
        raise ValueError(f"the header {reserved[0]} is Umbel's own: name yours differently")
    return fixed


def _check_id(task_id: Any) -> None:
    # What every worker would make a dead letter of: `umbel.messages.validation`.
    if not isinstance(task_id, str) or not task_id:
        raise TypeError(f"task_id must be text, got {task_id!r}")
    if len(task_id) > _LONGEST_ID or not task_id.isprintable():
        raise ValueError(f"task_id must be printable text of 1 to {_LONGEST_ID} characters, got {task_id!a:.60}")


def _times(given: Mapping[str, Any]) -> dict[str, float]:
    """The durations among the options as seconds, after a look at these and at times."""
    fixed: dict[str, float] = {}
    for name in given.keys() & _DURATIONS:
        if isinstance(given[name], timedelta):
            fixed[name] = given[name].total_seconds()
        elif name == "expires" and not isinstance(given[name], (int, float)):
            _check_time(name, given[name], "a number of seconds, a datetime, a timedelta or ISO 8601 text")
        elif not isinstance(given[name], (int, float)):
            raise TypeError(f"{name} must be a number of seconds or a timedelta, got {given[name]!r}")
    if "eta" in given:
        _check_time("eta", given["eta"], "a datetime or ISO 8601 text")
    return fixed


def _check_time(name: str, value: Any, expected: str) -> None:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{name} must be {expected}, got {value!r}") from None
    elif not hasattr(value, "isoformat"):
        raise TypeError(f"{name} must be {expected}, got {value!r}")


def _milliseconds(seconds: Any) -> str:
    """An ``expiration`` as AMQP writes it; given in seconds, as in kombu. Text is on the wire already."""
    if isinstance(seconds, str):
        return seconds
    return str(int((seconds.total_seconds() if isinstance(seconds, timedelta) else seconds) * 1000))


def arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of one call.

    Raises:
        TypeError: ``args`` is no list or tuple (a text would become its letters), or ``kwargs`` no mapping.
    """
    ordered = args is None or isinstance(args, (tuple, list))
    if not ordered and (isinstance(args, (str, bytes, Mapping, AbstractSet)) or not isinstance(args, Iterable)):
        raise TypeError(f"args must be a list or tuple of the task's arguments, got {type(args).__name__}; for one argument, args=(…,)")
    if kwargs is not None and not isinstance(kwargs, (dict, Mapping)):
        raise TypeError(f"kwargs must be a dict of the task's arguments by name, got {type(kwargs).__name__}")
    return tuple(args or ()), dict(kwargs or {})


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _signature(option: str, value: Any) -> Mapping[str, Any]:
    if type(value) is dict and type(value.get("task")) is str:
        return value
    if isinstance(value, Mapping) and isinstance(value.get("task"), str):
        return value if type(value) is dict else copied(value)
    raise ImproperlyConfigured(f"{option} takes signatures (dicts with at least 'task'), got {type(value).__name__}")


def _unknown(name: str) -> str:
    meant = difflib.get_close_matches(name, [*_FIELDS, *PROPERTIES], n=1, cutoff=0.6)
    hint = f"; did you mean {meant[0]}?" if meant else ""
    return f"there is no calling option {name}{hint}"
