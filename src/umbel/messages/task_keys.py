"""The keys of a call: what it must not share with others at a time. They travel in one header; workers that do not know it run the task as any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from umbel.messages import v2

#: The header; a dict.
KEYS: Final = v2.KEYS
#: A unique key is held until its task starts, until it has ended, or until a newer call takes it over.
START, FINISH, NEWER = "start", "finish", "newer"
#: Characters of a key as it travels; a longer one is a digest.
_LONGEST: Final = 128
#: Characters of a lease's name.
_LONGEST_NAME: Final = 255
#: Seconds; a hundred years.
_LONGEST_TIME: Final = 100 * 365 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKeys:
    """The keys of one call. Empty: it has no such key."""

    unique: str = ""
    #: START, FINISH or NEWER.
    until: str = FINISH
    #: For which the unique key is held while the message waits.
    seconds: float = 0.0
    #: Among whose calls few run at a time.
    concurrency: str = ""
    #: Among whose calls few start in a second.
    rate: str = ""

    def __bool__(self) -> bool:
        """Report whether there is any."""
        return bool(self.unique or self.concurrency or self.rate)

    @property
    def header(self) -> dict[str, Any]:
        """The value of the header."""
        found: dict[str, Any] = {"unique": self.unique, "until": self.until, "for": self.seconds} if self.unique else {}
        limits = {"concurrency": self.concurrency, "rate": self.rate}
        return found | {kind: key for kind, key in limits.items() if key}


def parse(value: Any) -> TaskKeys | None:
    """Read the header; ``None`` when it has no key: a message may hold anything, and without keys its task runs as any other.

    Args:
        value: of the header.
    """
    if not isinstance(value, dict):
        return None
    concurrency, rate = (key if isinstance(key, str) and _is_key(key) else "" for key in (value.get("concurrency"), value.get("rate")))
    found = TaskKeys(concurrency=concurrency, rate=rate)
    unique, until, seconds = value.get("unique"), value.get("until"), value.get("for")
    if isinstance(unique, str) and _is_key(unique) and until in (START, FINISH, NEWER) and _is_time(seconds):
        found = replace(found, unique=unique, until=until, seconds=float(seconds or 0.0))
    return found or None


def _is_time(seconds: Any) -> bool:
    return isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds <= _LONGEST_TIME


def _is_key(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isprintable()


def bounded(text: str) -> str:
    """Make a key of a text: itself, or a digest where it is long or holds what cannot be printed.

    Args:
        text: any.
    """
    return text if _is_key(text) else digest(text)


def digest(text: str) -> str:
    """Make a short text of a long one.

    Args:
        text: any.
    """
    import hashlib  # a program without keys does without

    return "sha256-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def lease_name(kind: str, task: str, key: str) -> str:
    """Name what a key holds. A key is its task's own: no message can name another task's.

    Args:
        kind: of the key: ``unique``, ``concurrency``, ``rate``.
        task: name of the task that the message runs.
        key: from its header.
    """
    name = f"{kind}:{task}:{key}"
    return name if len(name) <= _LONGEST_NAME else f"{kind}:{digest(name)}"
