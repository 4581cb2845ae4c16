"""Where Umbel comes to something else than Celery 5.7, and why: the table behind ``docs/design/0019-canvases-beside-celery.md``.

Each difference, which is one field of one outcome, has the first reason that explains it. What exactly is different stands in
``tests/golden/canvases_umbel.json``: the reasons say in general what may be so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Outcome = Mapping[str, Any]
FIELDS = ("raised", "value", "error", "states", "children", "asked", "calls")


@dataclass(frozen=True)
class Reason:
    """Why some outcomes differ.

    Args:
        title: its heading in the page.
        explains: says of a name, what Celery and what Umbel came to whether this is the reason.
        fields: that it explains; all when empty.
    """

    title: str
    explains: Callable[[str, Outcome, Outcome], bool]
    fields: tuple[str, ...] = ()


def _named(*patterns: str) -> Callable[[str, Outcome, Outcome], bool]:
    return lambda name, _celery, _umbel: any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def _letters(outcome: Outcome, field: str, without: str = "") -> list[str]:
    """What an outcome says, without its order."""
    return sorted(each for each in json.dumps(outcome.get(field)) if each not in without)


def _in_another_order(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    field = "value" if celery.get("value") != umbel.get("value") else "states"
    return celery.get(field) != umbel.get(field) and all(_letters(celery, each) == _letters(umbel, each) for each in (field, "calls"))


def _gone(name: str, celery: Outcome, umbel: Outcome) -> bool:
    return name.startswith("expired") and celery.get("error") == "TimeoutError" != umbel.get("error")


def _cannot_be_sent(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    return ("raised" in celery and "raised" not in umbel) or (
        celery.get("error", "").startswith(("EncodeError", "KeyError")) and "value" in umbel
    )


def _member_or_chord(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    kind, _, text = umbel.get("error", "").partition(": ")
    return f"raised {kind}('{text}')" in celery.get("error", "")


def _without_traceback(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    return [text.replace(" NoneType)", " str)") for text in celery["calls"]] == umbel["calls"]


def _whole_line(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    few, all_of_them = (each.get("states", "").split(" > ") for each in (celery, umbel))
    left = iter(all_of_them)
    return few[-1] == all_of_them[-1] and all(each in left for each in few)


def _still_pending(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    return "?PENDING" in celery.get("states", "") and "?PENDING" not in umbel.get("states", "")


def _as_a_group(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    return _letters(celery, "children", without="[], ") == _letters(umbel, "children", without="[], ")


def _header_only(_name: str, celery: Outcome, umbel: Outcome) -> bool:
    return "{[" in celery.get("children", "") or ("[" in celery.get("children", "") and "{" in umbel.get("children", ""))


REASONS = (
    Reason("Expired tasks on RabbitMQ", _gone),
    Reason("Groups in groups keep their order", _in_another_order),
    Reason("Tasks that leave no result", _named("without a result *", "* that leaves no result")),
    Reason("Groups behind a failure end", _named("* on a group in a chain")),
    Reason("Chords with a chain as a body, in place of a member", _named("replaced by chord with a chain, *header")),
    Reason("Three groups in a row", _named("group | group | group")),
    Reason("Arguments of clones", _named("* cloned with arguments")),
    Reason("Immutable chains", _named("chain, made immutable", "a chain linked to a group")),
    Reason("Links of a call", _named("link as an option beside a link")),
    Reason("Chains as error callbacks", _named("a chain as errback on *"), ("calls",)),
    Reason("What Celery cannot send", _cannot_be_sent),
    Reason(
        "Texts of errors",
        _named(
            "link as an option of a group",
            "replaced by empty chain*",
            "replaced by not a signature*",
            "unknown task*",
            "wrong arguments",
            "added * outside of a chord",
            "chord without a body",
            "sends not a signature*",
        ),
    ),
    Reason("Bodies that cannot be called", _named("body with wrong arguments")),
    Reason("Failed headers", _member_or_chord, ("error",)),
    Reason("Tracebacks of chords", _without_traceback, ("calls",)),
    Reason("Results before a chord's body", _whole_line, ("states",)),
    Reason("What is behind a failure", _still_pending, ("states", "children")),
    Reason("Steps whose successor cannot be sent", _named("wrong arguments in a chain"), ("states", "children")),
    Reason(
        "Chains as the only member of a header",
        _named("group last in a chain, alone in a header", "group as a body, alone in a header"),
        ("states", "children"),
    ),
    Reason("Empty groups are children", _named("an empty group linked *", "sends empty group*", "chunks of nothing *"), ("children",)),
    Reason("Several callbacks are no group", _named("lineage of a callbacks"), ("calls",)),
    Reason("Several callbacks are no group", _as_a_group, ("children",)),
    Reason("Bodies are members of their header's group", _named("lineage of a body that is a chain"), ("calls",)),
    Reason("Chords among children", _header_only, ("children",)),
)


def reasons_of(name: str, celery: Outcome, umbel: Outcome) -> dict[str, str | None]:
    """The fields in which two outcomes differ, each with the title of its reason; ``None`` where there is none.

    Args:
        name: of the canvas.
        celery: what Celery came to.
        umbel: what Umbel came to.
    """
    different = [field for field in FIELDS if celery.get(field) != umbel.get(field)]
    found: dict[str, str | None] = {}
    for field in different:
        reasons = (each for each in REASONS if (not each.fields or field in each.fields) and each.explains(name, celery, umbel))
        reason = next(reasons, None)
        found[field] = None if reason is None else reason.title
    return found
