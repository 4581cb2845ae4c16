"""From what people write to specs: the dicts of ``beat_schedule``, the arguments of `add_periodic_task` and of commands. What is wrong is named."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from umbel.app.sending.options import PublishOptions
from umbel.beat.entries import model
from umbel.beat.entries.model import Spec
from umbel.errors import ImproperlyConfigured, UmbelError
from umbel.schedules import maybe_schedule, parsing
from umbel.schedules.base import BaseSchedule
from umbel.schedules.zones import load_zone

#: What an entry may say, besides ``task`` and ``schedule``.
KEYS: Final = (
    "args", "kwargs", "options", "relative", "timezone", "misfire", "misfire_grace", "misfire_limit", "jitter", "overlap", "expire_at_next",
    "workers", "description",
)  # fmt: skip
#: Characters of a name; stores have columns.
LONGEST_NAME: Final = 200


def read(given: Mapping[str, Any], app: Any) -> Spec:
    """Read one entry.

    Args:
        given: ``task``, ``schedule`` and any of `KEYS`.
        app: whose settings hold for its schedule.

    Raises:
        ImproperlyConfigured: something is wrong with it; says what, and what was expected.
    """
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"it is {given!r}: expected a dict with task and schedule")
    for key in given:
        if key not in KEYS and key not in ("task", "schedule"):
            close = difflib.get_close_matches(str(key), ("task", "schedule", *KEYS), n=1)
            raise ImproperlyConfigured(
                f"it has no {key!r}; did you mean {close[0]}?" if close else f"it has no {key!r}: expected {', '.join(KEYS)}"
            )
    task = given.get("task")
    name = getattr(task, "name", task)  # the task itself will do
    if not isinstance(name, str) or not name:
        raise ImproperlyConfigured(f"task is {task!r}: expected the name of a task")
    args, kwargs = given.get("args"), given.get("kwargs")
    if args is not None and not isinstance(args, (list, tuple)):
        raise ImproperlyConfigured(f"args is {args!r}: expected a list or tuple")
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(key, str) for key in kwargs)):
        raise ImproperlyConfigured(f"kwargs is {kwargs!r}: expected a dict of arguments by name")
    return Spec(
        task=name,
        schedule=_schedule(given, app),
        args=tuple(args or ()),
        kwargs=dict(kwargs or {}),
        options=_options(given.get("options")),
        misfire=_word(given, "misfire", model.MISFIRES),
        misfire_grace=_seconds(given, "misfire_grace", 60.0),
        misfire_limit=_count(given, "misfire_limit", 100),
        jitter=_seconds(given, "jitter", 0.0),
        overlap=_word(given, "overlap", model.OVERLAPS),
        expire_at_next=bool(given.get("expire_at_next", False)),
        workers=_names(given.get("workers")),
        description=str(given.get("description") or ""),
    )


def check_name(name: Any) -> str:
    """Check the name of an entry; returns it.

    Args:
        name: as given.

    Raises:
        ImproperlyConfigured: it is no text, empty, too long, or has control characters.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ImproperlyConfigured(
            f"an entry's name is {str(name)[:LONGEST_NAME]!r}: expected 1 to {LONGEST_NAME} characters that can be printed"
        )
    return name


def _schedule(given: Mapping[str, Any], app: Any) -> BaseSchedule:
    if given.get("schedule") is None:
        raise ImproperlyConfigured("it has no schedule: expected seconds, a timedelta, crontab(…), solar(…) or clocked(…)")
    found: BaseSchedule = maybe_schedule(given["schedule"], bool(given.get("relative", False)), app=app)
    zone = given.get("timezone")
    if zone is not None:
        load_zone(zone)
        document = parsing.document(found)
        if document is None:
            raise ImproperlyConfigured(f"timezone is {zone!r}: give it to the schedule itself, {type(found).__name__}(…, timezone=…)")
        found = parsing.from_document({**document, "timezone": zone}, app)
    return found


def _options(given: Any) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"options is {given!r}: expected a dict of calling options such as queue, priority, expires")
    options = {name: value.total_seconds() if isinstance(value, timedelta) else value for name, value in (given or {}).items()}
    if "task_id" in options:
        raise ImproperlyConfigured("options has a task_id: each run has one of its own")
    try:
        PublishOptions.parse(options)
    except (TypeError, ValueError, UmbelError) as error:
        raise ImproperlyConfigured(f"options cannot be used: {error}") from error
    return options


def _word(given: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = given.get(name, allowed[0])
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}: expected {' or '.join(allowed)}")
    return str(value)


def _seconds(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise ImproperlyConfigured(f"{name} is {value!r}: expected a number of seconds, at least 0, or a timedelta")
    return float(seconds)


def _count(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
        raise ImproperlyConfigured(f"{name} is {value!r}: expected a whole number from 1 to 10000")
    return value


def _names(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given or ())
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise ImproperlyConfigured(f"workers is {given!r}: expected names of workers, e.g. celery@web1, each once")
    return names
