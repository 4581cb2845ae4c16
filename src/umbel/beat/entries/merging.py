"""Merging: the entries of the code, and those of the store.

=====================  ==================================  =====================================================
the code               the store                           after the merge
=====================  ==================================  =====================================================
has it                 does not                            it is added, and counts from now
has it, as before      source *code*                       unchanged, whatever its status: a pause survives a deploy
has it, another way    source *code*                       as the code has it; another schedule counts from now
has it, another way    source *user*, or removed by one    unchanged; the difference is told
does not               source *code*                       it is removed
does not               source *user*                       unchanged
has it, but it is bad  any                                 disabled, with the reason; others go on
=====================  ==================================  =====================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from umbel.beat.entries import model
from umbel.beat.entries.documents import document_of, fingerprint
from umbel.beat.entries.model import Entry, Spec


@dataclass(frozen=True, slots=True)
class Merge:
    """The outcome of a merge."""

    #: Entries to be written, each with the revision that it had.
    changed: tuple[Entry, ...]
    #: Sentences for the log.
    remarks: tuple[str, ...]


def merge(code: Mapping[str, Spec | str], stored: Mapping[str, Entry], now: float) -> Merge:
    """Find what is to be changed in the store so that it agrees with the code, as far as people have not decided otherwise.

    Args:
        code: by name; a text says why an entry of the code cannot be used.
        stored: by name, removed ones included.
        now: seconds since the epoch.
    """
    changed: list[Entry] = []
    remarks: list[str] = []
    for name, said in code.items():
        found = _merged(name, said, stored.get(name), now, remarks)
        if found is not None:
            changed.append(found)
    for name, entry in stored.items():
        if name in code or not entry.code:
            continue
        if entry.source == model.CODE and entry.status != model.REMOVED:
            changed.append(replace(entry, status=model.REMOVED, code=""))
            remarks.append(f"{name} is not in the code any more: removed")
        else:
            changed.append(replace(entry, code=""))
    return Merge(tuple(changed), tuple(remarks))


def _merged(name: str, said: Spec | str, known: Entry | None, now: float, remarks: list[str]) -> Entry | None:
    """Merge one entry of the code; ``None`` where nothing changes."""
    document: dict[str, Any] = {} if isinstance(said, str) else document_of(said)
    code = fingerprint(document) if document else f"bad:{fingerprint({'reason': said})}"
    if isinstance(said, str):
        if known is not None and (known.code == code or known.source == model.USER):
            return None
        base = known or Entry(name=name, spec=None, document={}, anchor=now, after=now)
        return replace(base, status=model.DISABLED, reason=said, code=code)
    if known is None or (known.status == model.REMOVED and known.source == model.CODE):
        revision = 0 if known is None else known.revision
        return Entry(name=name, spec=said, document=document, code=code, anchor=now, after=now, revision=revision)
    if known.code == code:
        return None
    if known.source == model.USER:
        what = "removed" if known.status == model.REMOVED else "edited"
        if known.code:
            remarks.append(f"{name} was {what} by hand: what the code says now is left aside (umbel schedule reset {name!r} takes it)")
        return replace(known, code=code)
    moved = document["schedule"] != known.document.get("schedule")
    status = model.ACTIVE if known.status == model.DISABLED else known.status
    return replace(
        known,
        spec=said,
        document=document,
        code=code,
        status=status,
        reason="",
        anchor=now if moved else known.anchor,
        after=max(now, known.after) if moved else known.after,
    )
