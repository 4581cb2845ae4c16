from __future__ import annotations

import pytest

from umbel.messages.task_keys import FINISH, NEWER, START, TaskKeys, bounded, digest, lease_name, parse


@pytest.mark.parametrize("until", [START, FINISH, NEWER])
def test_keys_come_back(until):
    keys = TaskKeys(unique="tenant:7", until=until, seconds=60.0)
    assert parse(keys.header) == keys


@pytest.mark.parametrize(
    "value",
    [
        None, "k", [], {}, {"unique": "k"}, {"unique": "k", "until": "finish"}, {"unique": "", "until": "finish", "for": 1},
        {"unique": "k" * 129, "until": "finish", "for": 1}, {"unique": "a\nb", "until": "finish", "for": 1},
        {"unique": 7, "until": "finish", "for": 1}, {"unique": "k", "until": "for ever", "for": 1}, {"unique": "k", "until": ["finish"], "for": 1},
        {"unique": "k", "until": "finish", "for": 0}, {"unique": "k", "until": "finish", "for": -1}, {"unique": "k", "until": "finish", "for": "1"},
        {"unique": "k", "until": "finish", "for": True}, {"unique": "k", "until": "finish", "for": float("nan")},
        {"unique": "k", "until": "finish", "for": float("inf")}, {"unique": "k", "until": "finish", "for": 1e12},
    ],
)  # fmt: skip
def test_what_is_no_such_header_is_none(value):
    assert parse(value) is None


def test_a_key_is_its_tasks_own():
    assert lease_name("unique", "a.task", "k") == "unique:a.task:k"
    assert lease_name("unique", "a.task", "k") != lease_name("unique", "b.task", "k")


@pytest.mark.parametrize("text", ["x" * 1000, "with\nline", "\x00", "\ud800"])
def test_long_and_unprintable_keys_travel_as_digests(text):
    key = bounded(text)
    assert key == digest(text)
    assert key != bounded(text + "y")
    assert parse(TaskKeys(unique=key, seconds=1.0).header) is not None


def test_names_fit_every_store():
    names = {lease_name("unique", "t" * 255, key) for key in ("k" * 128, "l" * 128)}
    assert len(names) == 2
    assert all(len(name) <= 255 for name in names)


def test_two_keys_travel_together_and_each_is_looked_at_alone():
    keys = TaskKeys(unique="u", seconds=60.0, concurrency="c")
    assert parse(keys.header) == keys
    assert parse({"concurrency": "c", "unique": 7}) == TaskKeys(concurrency="c")
    assert parse({**keys.header, "concurrency": ["c"]}) == TaskKeys(unique="u", seconds=60.0)
    assert parse({"concurrency": "c" * 200}) is None
