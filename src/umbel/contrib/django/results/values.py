"""Values by key in the table `StoredValue`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from umbel.contrib.django import database
from umbel.contrib.django.models import StoredValue
from umbel.contrib.django.results.rows import key_of
from umbel.results.keyvalue.values import Change
from umbel.runtime.clock import SYSTEM, Clock

_PATIENCE = 30.0


class DatabaseValues:
    """`umbel.results.keyvalue.values.Values` in a table.

    Args:
        alias: of the database.
        clock: tells the time.
    """

    def __init__(self, alias: str, clock: Clock = SYSTEM) -> None:
        self._alias = alias
        self._clock = clock
        self._rows = StoredValue.objects.using(alias)

    def read(self, keys: Sequence[str], keep: float | None) -> dict[str, bytes]:
        by_column = {key_of(key): key for key in keys}
        found = database.run(
            self._alias, lambda: list(self._fresh(keep).filter(key__in=list(by_column)).values_list("key", "value")), _PATIENCE
        )
        return {by_column[key]: bytes(value) for key, value in found if key in by_column}

    def change(self, changes: Mapping[str, Change], keep: float | None) -> None:
        for key, change in changes.items():
            database.run(self._alias, partial(self._change, key_of(key), change, keep), _PATIENCE)

    def _change(self, key: str, change: Change, keep: float | None) -> None:
        now = self._clock.now()
        rows = self._rows.filter(key=key)
        # A write first: it takes the row's lock, and SQLite's, before anything is read.
        if not rows.update(key=key):
            self._rows.bulk_create([StoredValue(key=key, value=b"", changed=0.0)], ignore_conflicts=True)
            rows.update(key=key)
        old, changed = rows.values_list("value", "changed").get()
        is_there = bool(changed) and not (keep and changed <= now - keep)
        new = change(bytes(old) if is_there else None)
        if new is not None:
            rows.update(value=new, changed=now)
        elif not is_there:
            rows.delete()

    def drop(self, keys: Sequence[str]) -> None:
        database.run(self._alias, lambda: self._rows.filter(key__in=[key_of(key) for key in keys]).delete(), _PATIENCE)

    def cleanup(self, prefixes: Mapping[str, float | None]) -> int:
        dropped = 0
        for prefix, keep in prefixes.items():
            if keep:
                old = self._rows.filter(key__startswith=prefix, changed__lte=self._clock.now() - keep)
                dropped += database.run(self._alias, old.delete, _PATIENCE)[0]
        return dropped

    def public_url(self) -> str:
        return f"django-db://{self._alias}"

    def close(self) -> None:
        """Nothing is open that is not Django's."""

    def _fresh(self, keep: float | None) -> StoredValue:
        rows = self._rows.filter(changed__gt=0.0)
        return rows.filter(changed__gt=self._clock.now() - keep) if keep else rows
