"""Entries and runs as they are in stores: rows of plain values, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from umbel.beat.entries import model
from umbel.beat.entries.documents import IN_CODE, spec_of
from umbel.beat.entries.model import Entry, Run
from umbel.errors import ImproperlyConfigured

#: What is kept of an entry in one text, beside what has a place of its own.
_PACKED: Final = ("source", "reason", "code", "anchor")


def pack(entry: Entry) -> str:
    """Write an entry's text.

    Args:
        entry: to be kept.
    """
    return json.dumps({"spec": dict(entry.document), **{name: getattr(entry, name) for name in _PACKED}}, separators=(",", ":"))


def unpack(name: str, text: str | bytes, status: str, columns: Mapping[str, Any]) -> Entry:
    """Read an entry. What cannot be read becomes an entry that is disabled, with the reason.

    Args:
        name: of the entry.
        text: of `pack`; not trusted.
        status: of the entry.
        columns: ``revision``, ``after``, ``last_fired``, ``last_id``, ``total_runs``.
    """
    document: Mapping[str, Any] = {}
    spec, reason = None, ""
    packed: dict[str, Any] = {}
    try:
        packed = json.loads(text)
        document = packed.pop("spec")
        packed = {each: packed[each] for each in _PACKED}
        if not all(isinstance(packed[each], str) for each in ("source", "reason", "code")) or status not in model.STATUSES:
            raise TypeError("a field is of another type")
        packed["anchor"] = float(packed["anchor"])
        if document and not document.get(IN_CODE):
            spec = spec_of(document)
    except (ValueError, TypeError, KeyError, AttributeError, ImproperlyConfigured) as error:
        reason = (
            str(error) if isinstance(error, ImproperlyConfigured) else f"it cannot be read from the store: {type(error).__name__}: {error}"
        )
        document = dict(document) if hasattr(document, "keys") else {}
        packed = {"source": str(packed.get("source", model.USER)), "code": str(packed.get("code", "")), "anchor": 0.0}
        status = status if status in (model.PAUSED, model.REMOVED) else model.DISABLED
    packed["reason"] = reason or packed.get("reason", "")
    return Entry(name=name, spec=spec, document=document, status=status, **packed, **columns)


#: The columns of a run, in the order in which stores keep them.
RUN_COLUMNS: Final = (
    "task_id", "entry", "slot", "fired", "state", "by_hand", "missed", "worker", "runtime", "ended", "detail", "holder",
)  # fmt: skip


def row_of(run: Run) -> tuple[Any, ...]:
    """Write a run as values in the order of `RUN_COLUMNS`.

    Args:
        run: to be kept.
    """
    return tuple(getattr(run, name) for name in RUN_COLUMNS)


def run_of(row: Any) -> Run:
    """Read a run.

    Args:
        row: values in the order of `RUN_COLUMNS`.
    """
    values = dict(zip(RUN_COLUMNS, row, strict=True))
    return Run(**{**values, "by_hand": bool(values["by_hand"]), "missed": int(values["missed"])})
