"""Every setting there is, in one table, and how names lead to it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from umbel.app.config.setting import Setting
from umbel.app.config.tables.general import BROKER, GENERAL, LEASE, MESSAGE
from umbel.app.config.tables.result import DATABASE, REDIS, RESULT
from umbel.app.config.tables.stores import OTHER_STORES
from umbel.app.config.tables.task import TASK
from umbel.app.config.tables.worker import BEAT, CONTROL, EVENT, SECURITY, WORKER

#: Namespace → its settings, in the order of the reference page.
NAMESPACES: Final[Mapping[str, tuple[Setting, ...]]] = MappingProxyType(
    {
        "general": GENERAL,
        "broker": BROKER,
        "message": MESSAGE,
        "task": TASK,
        "worker": WORKER,
        "result": RESULT,
        "redis": REDIS,
        "database": DATABASE,
        "lease": LEASE,
        "beat": BEAT,
        "event": EVENT,
        "control": CONTROL,
        "security": SECURITY,
        "other stores": OTHER_STORES,
    }
)

SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType({row.name: row for rows in NAMESPACES.values() for row in rows})
#: Name of Celery 3 → today's name.
OLD_NAMES: Final[Mapping[str, str]] = MappingProxyType({old: row.name for row in SETTINGS.values() for old in row.old})

#: Settings of add-ons begin like this; they are kept as they are.
FOREIGN: Final = ("redbeat_", "flower_", "django_celery_", "sqs_", "singleton_", "once")
_PREFIXES: Final = tuple(
    sorted(
        {
            "broker_",
            "task_",
            "worker_",
            "result_",
            "beat_",
            "event_",
            "events_",
            "control_",
            "security_",
            "database_",
            "lease_",
            "redis_",
            "message_",
            "cache_",
        }
    )
)
_OLD_STYLE: Final = re.compile(r"(CELERY|CELERYD|CELERYBEAT|BROKER)_[A-Z0-9_]+")
_SECRET: Final = re.compile(r"API|TOKEN|KEY|SECRET|PASS|SIGNATURE|AUTH", re.IGNORECASE)
#: Names that look like secrets and are none.
_PUBLIC: Final = frozenset({"task_default_routing_key"})


def canonical(name: str) -> str | None:
    """Return today's name of a setting, given any of its names as ``name``; ``None`` when there is no such setting."""
    if name in SETTINGS:
        return name
    if name in OLD_NAMES:
        return OLD_NAMES[name]
    if name.startswith("CELERY_") and name[7:].lower() in SETTINGS:  # written as with namespace="CELERY"
        return name[7:].lower()
    return name.lower() if name.lower().startswith(FOREIGN) else None


def looks_like_setting(name: str) -> bool:
    """Report whether a module that has this ``name`` most likely means a setting."""
    return name in SETTINGS or name in OLD_NAMES or name.startswith(_PREFIXES) or _OLD_STYLE.fullmatch(name) is not None


def suggest(name: str) -> str | None:
    """Return the setting that was most likely meant by ``name``."""
    if canonical(name.lower()):
        return name.lower()
    names = [*OLD_NAMES] if name.isupper() else [*SETTINGS]
    best = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not best and name.isupper():
        best = difflib.get_close_matches(name.lower().removeprefix("celery_"), [*SETTINGS], n=1, cutoff=0.6)
    return best[0] if best else None


def unknown(name: str, where: str = "") -> str:
    """Return the sentence that says that there is no setting ``name``; ``where`` follows the name, with a space before it."""
    meant = suggest(name)
    hint = f"; did you mean {meant}?" if meant else "; umbel settings --all lists them"
    return f"there is no setting {name}{where}{hint}"


def is_secret(name: str) -> bool:
    """Report whether the value of the setting ``name`` must not be shown."""
    row = SETTINGS.get(name)
    if row is not None and row.secret:
        return True
    return name not in _PUBLIC and _SECRET.search(name) is not None
