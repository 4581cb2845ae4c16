"""The code and the store, merged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from umbel.beat.entries import model
from umbel.beat.entries.merging import merge
from umbel.beat.entries.model import Entry, Spec
from umbel.schedules import schedule

NOW = 1000.0


def spec(seconds: float = 30, **fields: Any) -> Spec:
    return Spec(task="tasks.add", schedule=schedule(seconds), **fields)


def seen(said: Spec | str = spec(), **changes: Any) -> Entry:
    """An entry as a scheduler has stored it earlier."""
    (found,) = merge({"one": said}, {}, 500.0).changed
    return replace(found, revision=3, after=900.0, **changes)


def test_new_entries_count_from_now():
    (found,) = merge({"one": spec()}, {}, NOW).changed
    assert (found.source, found.status, found.anchor, found.after, found.revision) == (model.CODE, model.ACTIVE, NOW, NOW, 0)
    assert found.code


def test_nothing_changes_with_a_restart():
    for status in (model.ACTIVE, model.PAUSED):
        assert merge({"one": spec()}, {"one": seen(status=status)}, NOW).changed == ()


def test_a_deploy_changes_what_the_code_says():
    (found,) = merge({"one": spec(60)}, {"one": seen(status=model.PAUSED)}, NOW).changed
    assert (found.document["schedule"], found.anchor, found.after, found.status, found.revision) == (
        {"every": 60.0},
        NOW,
        NOW,
        model.PAUSED,
        3,
    )
    (found,) = merge({"one": spec(args=(1,))}, {"one": seen()}, NOW).changed
    assert (found.document["args"], found.anchor, found.after) == ([1], 500.0, 900.0)


def test_a_deploy_does_not_undo_an_edit():
    edited = seen(source=model.USER, document={"task": "tasks.other", "schedule": {"every": 5.0}})
    assert merge({"one": spec()}, {"one": edited}, NOW).changed == ()
    merged = merge({"one": spec(60)}, {"one": edited}, NOW)
    (found,) = merged.changed
    assert found.document == edited.document
    assert "one was edited by hand: what the code says now is left aside" in merged.remarks[0]
    assert merge({"one": spec(60)}, {"one": found}, NOW) == merge({}, {}, NOW)


def test_what_a_person_removed_does_not_come_back():
    removed = seen(source=model.USER, status=model.REMOVED)
    assert merge({"one": spec()}, {"one": removed}, NOW).changed == ()
    merged = merge({"one": spec(60)}, {"one": removed}, NOW)
    assert merged.changed[0].status == model.REMOVED
    assert "removed by hand" in merged.remarks[0]


def test_what_the_code_has_no_more_is_removed():
    merged = merge({}, {"one": seen()}, NOW)
    assert [(entry.status, entry.code) for entry in merged.changed] == [(model.REMOVED, "")]
    assert merged.remarks == ("one is not in the code any more: removed",)
    (back,) = merge({"one": spec()}, {"one": replace(merged.changed[0], revision=4)}, NOW).changed
    assert (back.status, back.after, back.revision) == (model.ACTIVE, NOW, 4)


def test_entries_of_people_stay():
    added = Entry(name="mine", spec=spec(), document={}, source=model.USER)
    assert merge({}, {"mine": added}, NOW).changed == ()
    (found,) = merge({}, {"one": seen(source=model.USER)}, NOW).changed
    assert (found.status, found.code) == (model.ACTIVE, "")


def test_a_bad_entry_is_disabled_and_the_others_go_on():
    first, second = merge({"bad": "an interval is 0", "one": spec()}, {}, NOW).changed
    assert (first.status, first.reason) == (model.DISABLED, "an interval is 0")
    assert second.is_active
    assert merge({"one": "why"}, {"one": seen("why")}, NOW).changed == ()
    (mended,) = merge({"one": spec()}, {"one": seen("why")}, NOW).changed
    assert (mended.status, mended.reason) == (model.ACTIVE, "")
    (broken,) = merge({"one": "why"}, {"one": seen()}, NOW).changed
    assert (broken.status, broken.reason) == (model.DISABLED, "why")
    assert merge({"one": "why"}, {"one": seen(source=model.USER)}, NOW).changed == ()
