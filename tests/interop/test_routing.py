"""Topics and broadcasts between the two houses: whoever sends, workers of both get it."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest

from interop.conftest import BOTH
from system.conftest import database
from system.processes import eventually
from system.stage import Place


@pytest.fixture(params=[pytest.param("rabbitmq", marks=BOTH), pytest.param("redis", marks=pytest.mark.redis)])
def place(request):
    broker = database(request, 5) if request.param == "redis" else request.getfixturevalue("rabbitmq_url")
    return Place(name=request.param, broker=broker, backend=database(request, 6))


def test_a_topic(pair):
    name = f"{pair.queue}-feeds"
    pair.settings["task_queues"] = {name: {"exchange": name, "exchange_type": "topic", "routing_key": "feed.#"}}
    pair.start_worker("-c", "1", "-Q", name)
    keys = ["feed.news", "feed.news.sport"]
    answers = pair.talk([{"task": "mark", "args": [key], "options": {"queue": name, "routing_key": key}} for key in keys])
    assert [answer.get("value") for answer in answers] == keys
    seen = {entry["queue"] for entry in pair.watch.update() if entry["kind"] == "start"}
    assert seen == set(keys)


def ends(pair, task_id, count, timeout):
    """The processes in which a task has ended, as soon as there are so many."""
    with contextlib.suppress(AssertionError):
        pair.await_runs(task_id, count, kind="end", timeout=timeout)
    return {entry["pid"] for entry in pair.runs(task_id, "end")}


def send(pair, **options):
    (answer,) = pair.talk([{"task": "mark", "args": ["all"], "options": options}])
    assert answer["value"] == "all"
    return answer["id"]


@pytest.mark.parametrize("pair", ["umbel"], indirect=True)
def test_umbels_broadcast(pair):
    name = pair.settings["broadcast"] = f"{pair.queue}-all"
    for house in ("celery", "umbel"):
        pair.houses["worker"] = house
        pair.start_worker("-c", "1", "-n", f"{house}@here")
    # On Redis Celery's worker listens a moment after it has said that it is ready.
    eventually(lambda: len(ends(pair, send(pair, queue=name), 2, 1)) == 2, 30, "both workers run it")
    for options in ({"queue": name}, {"queue": name, "exchange": name}):
        assert len(ends(pair, send(pair, **options), 2, 5)) == 2
    assert [worker.stop(timeout=30) for worker in pair.workers] == [0, 0]
    assert max(Counter(entry["id"] for entry in pair.watch.update() if entry["kind"] == "end").values()) == 2


@pytest.mark.parametrize("pair", ["celery"], indirect=True)
def test_celerys_broadcast(pair):
    """By itself, and with its exchange, as in Celery's guide. On Redis Celery's client does not reach Celery's own workers so."""
    name = pair.settings["broadcast"] = f"{pair.queue}-all"
    for number in range(2):
        pair.start_worker("-c", "1", "-n", f"w{number}@here")
    for options in ({"queue": name}, {"queue": name, "exchange": name}):
        assert len(ends(pair, send(pair, **options), 2, 5)) == 2
    assert [worker.stop(timeout=30) for worker in pair.workers] == [0, 0]
    assert max(Counter(entry["id"] for entry in pair.watch.update() if entry["kind"] == "end").values()) == 2
