"""Revoked tasks in one value: entries, and when each was revoked."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from umbel.errors import DecodeError
from umbel.results.keyvalue.names import Names
from umbel.results.keyvalue.values import Values

#: Seconds for which the list is kept at least: what stands in it has an end of its own.
_KEEP: Final = None


class KeyValueRevocations:
    """`RevocationStore` over values by key.

    Args:
        values: of the store.
        names: the keys.
    """

    def __init__(self, values: Values, names: Names) -> None:
        self._values = values
        self._key = names.revoked

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        def work(old: bytes | None) -> bytes:
            known = {**_entries(old), **dict.fromkeys(entries, now)}
            fresh = sorted(((when, entry) for entry, when in known.items() if when > now - expires))[-most:]
            return json.dumps({entry: when for when, entry in fresh}).encode()

        if entries:
            self._values.change({self._key: work}, _KEEP)

    def read(self, since: float) -> dict[str, float]:
        data = self._values.read([self._key], _KEEP).get(self._key)
        return {entry: when for entry, when in _entries(data).items() if when > since}


def _entries(data: bytes | None) -> dict[str, float]:
    try:
        found = json.loads(data or b"{}")
    except ValueError as error:
        raise DecodeError(f"the list of revoked tasks is not JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(when, (int, float)) for when in found.values()):
        raise DecodeError("the list of revoked tasks is no mapping of entries and times")
    return found
