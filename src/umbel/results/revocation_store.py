"""The contract of a list of revoked tasks that outlives workers: so that one which is started later knows them. A result store may have one.

An entry is the id of a task, or a stamp in the form of `stamp_entry`. Blocking and thread-safe, like the store that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

#: Begins the entries that are stamps: a control character, which no id has.
_STAMP: Final = "\x1f"
#: Characters of an entry; a longer one is not kept.
LONGEST: Final = 500


class RevocationStore(Protocol):
    """Keeps what was revoked, for a while, and the latest of very many."""

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        """Keep entries; one that is known becomes the newest.

        Args:
            entries: not longer than `LONGEST`.
            now: when they were revoked, seconds since the epoch.
            most: entries to keep; the oldest are dropped.
            expires: seconds for which one is kept.

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """

    def read(self, since: float) -> dict[str, float]:
        """Read the entries that were revoked after a time, and when.

        Args:
            since: seconds since the epoch.

        Raises:
            OperationalError: the store cannot be reached after its retries.
        """


def revocations_of(store: Any) -> RevocationStore | None:
    """Find the list of a result ``store``, which may be none, or of a kind that has none."""
    found: RevocationStore | None = getattr(store, "revocations", None)
    return found


def stamp_entry(name: str, value: Any) -> str:
    """Make the entry of a stamp.

    Args:
        name: of the stamp.
        value: plain.
    """
    return _STAMP + json.dumps([name, value])


def entries_of(command: str, arguments: Mapping[str, Any]) -> list[str]:
    """Find what a command of remote control revokes, as entries.

    Args:
        command: its name.
        arguments: by name; what is no id and no stamp is passed over: workers refuse it.
    """
    if command in {"revoke", "terminate"}:
        ids = arguments.get("task_id")
        return [each for each in ([ids] if isinstance(ids, str) else ids or ()) if isinstance(each, str)]
    if command == "revoke_by_stamped_headers" and isinstance(headers := arguments.get("headers"), Mapping):
        pairs = ((name, each) for name, value in headers.items() for each in (value if isinstance(value, (list, tuple)) else [value]))
        return [stamp_entry(name, each) for name, each in pairs if isinstance(each, (str, int, float))]
    return []


def stamp_of(entry: str) -> tuple[str, Any] | None:
    """Read the name and value of the stamp that an ``entry`` stands for; ``None`` where it is an id, or damaged."""
    if not entry.startswith(_STAMP):
        return None
    try:
        name, value = json.loads(entry[1:])
    except (ValueError, TypeError):
        return None
    return (name, value) if isinstance(name, str) and isinstance(value, (str, int, float)) else None


def is_id(entry: str) -> bool:
    """Report whether an ``entry`` is the id of a task."""
    return not entry.startswith(_STAMP)
