"""Specs ⇄ plain values, as they are kept in stores and shown by commands.

Arguments and options are JSON with kombu's tags for dates, decimals and the like. What JSON cannot hold (a schedule of a class of one's own, a `BeatLazyFunc`) stays in the
code: the document then has ``in_code`` and texts for people in its place, and only a scheduler whose code has the entry fires it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from umbel.beat.entries.model import Spec
from umbel.errors import EncodeError, ImproperlyConfigured
from umbel.schedules import parsing
from umbel.wire import kombu_json

_POLICIES: Final = tuple(
    each for each in dataclasses.fields(Spec) if each.name not in {"task", "schedule", "args", "kwargs", "options", "workers"}
)
#: Marks a document whose schedule or arguments are in the code.
IN_CODE: Final = "in_code"


def document_of(spec: Spec) -> dict[str, Any]:
    """Write a spec as plain values.

    Args:
        spec: to be written.
    """
    found: dict[str, Any] = {"task": spec.task}
    schedule = parsing.document(spec.schedule)
    found["schedule"] = {"text": spec.schedule.sentence} if schedule is None else schedule
    in_code = schedule is None
    for name, value in (("args", list(spec.args)), ("kwargs", dict(spec.kwargs)), ("options", dict(spec.options))):
        if not value:
            continue
        try:
            found[name] = json.loads(kombu_json.dumps(value))
        except (EncodeError, TypeError, ValueError):
            found[name], in_code = repr(value), True
    if spec.workers:
        found["workers"] = list(spec.workers)
    for each in _POLICIES:
        value = getattr(spec, each.name)
        if value != each.default:
            found[each.name] = value
    return {**found, IN_CODE: True} if in_code else found


def spec_of(document: Mapping[str, Any], app: Any = None) -> Spec:
    """Read what `document_of` wrote.

    Args:
        document: not trusted.
        app: of the schedule.

    Raises:
        ImproperlyConfigured: it is no such document.
    """
    try:
        given = kombu_json.loads(json.dumps(dict(document)))
        return Spec(
            task=given["task"],
            schedule=parsing.from_document(document["schedule"], app),
            args=tuple(given.get("args", ())),
            kwargs=dict(given.get("kwargs", {})),
            options=dict(given.get("options", {})),
            workers=tuple(given.get("workers", ())),
            **{each.name: given[each.name] for each in _POLICIES if each.name in given},
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ImproperlyConfigured):
            raise
        raise ImproperlyConfigured(f"it cannot be read from the store: {type(error).__name__}: {error}") from error


def fingerprint(document: Mapping[str, Any]) -> str:
    """Make a short text that differs for different documents.

    Args:
        document: of `document_of`.
    """
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=repr).encode()).hexdigest()[:16]
