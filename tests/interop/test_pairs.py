"""A client of one house and a worker of the other understand each other in everything: Umbel's and Celery 5.7's."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from interop.pairing import count
from interop.side import plain, rich

VALUES = [1, -(2**40), 1.5, "é\U0001f642", "", None, True, [1, [2]], {"a": {"b": [None]}}]
TAGGED = [{"datetime": "2030-01-02T03:04:05.000006+00:00"}, {"date": "2030-01-02"}, {"time": "03:04:05"}, {"Decimal": "1.10"}]
TAGGED.append({"UUID": "0190aaaa-0000-7000-8000-000000000000"})


def call(task, *args, **options):
    return {"task": task, "args": list(args), "options": options}


def values(answers):
    return [answer.get("value", answer) for answer in answers]


@pytest.mark.slow
def test_many_tasks(pair):
    pair.start_worker("-c", "2")
    calls = []
    for number in range(count()):
        calls.append(call("fail", "own", number, "no") if number % 20 == 7 else call("add", number, 1))
    answers = pair.talk(calls, timeout=120)
    for number, answer in enumerate(answers):
        if number % 20 == 7:
            assert (answer["state"], answer["error"]) == ("FAILURE", ["system.workload", "Refused", [number, "no"]])
            assert "Refused" in answer["traceback"]
        else:
            assert (answer["state"], answer["value"]) == ("SUCCESS", number + 1)
    assert len(answers) == count()
    assert pair.workers[0].stop(timeout=30) == 0
    assert pair.length() == 0


def test_exceptions(pair):
    pair.start_worker("-c", "2")
    calls = [
        call("fail", "value", "v"),
        call("fail", "key", "k"),
        call("fail", "os", 2, "gone"),
        call("fail", "own", 1, "x"),
        call("add", 1, "x"),
    ]
    calls += [
        call("nap", 30, time_limit=1),
        call("soft", 30, False, soft_time_limit=1),
        call("retry_in_vain"),
        call("retry_in_vain", False),
    ]
    answers = pair.talk(calls)
    assert {answer["state"] for answer in answers} == {"FAILURE"}
    names = [answer["error"][1] for answer in answers]
    assert names[:5] == ["ValueError", "KeyError", "FileNotFoundError", "Refused", "TypeError"]
    assert names[5:] == ["TimeLimitExceeded", "SoftTimeLimitExceeded", "Refused", "MaxRetriesExceededError"]
    assert [answer["error"][2] for answer in answers[:4]] == [["v"], ["k"], [2, "gone"], [1, "x"]]
    assert answers[5]["error"][2] == [1]
    house = {"celery": ("billiard.exceptions", "celery.exceptions"), "umbel": ("umbel.errors", "umbel.errors")}[pair.houses["client"]]
    assert [answer["error"][0] for answer in (answers[5], answers[8])] == list(house)


def test_retries(pair):
    pair.start_worker("-c", "2")
    calls = [call("retry_until", 3, 0.1), call("backoff_until", 1), call("retry_until", 0)]
    assert values(pair.talk(calls)) == [3, 1, 0]


def test_eta_countdown_and_expires(pair):
    pair.start_worker("-c", "2")
    eta = {"datetime": (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)).isoformat()}
    sent = time.time()
    answers = pair.talk([call("mark", 1, countdown=2), call("mark", 2, eta=eta), call("mark", 3, expires=60)])
    assert values(answers) == [1, 2, 3]
    first, second, third = (pair.runs(answer["id"])[0]["t"] for answer in answers)
    assert first >= sent + 2 - 0.05
    assert dt.datetime.fromisoformat(eta["datetime"]).timestamp() - 0.05 <= second <= sent + 6
    assert third < first


def test_priorities(pair):
    if pair.place.name != "redis":
        pair.settings["task_queue_max_priority"] = 10
    answers = pair.talk(
        [call("mark", 0, ignore_result=True, priority=priority) for _ in range(5) for priority in (0, 3, 6, 9)], timeout=0.1
    )
    order = {answer["id"]: [0, 3, 6, 9][index % 4] for index, answer in enumerate(answers)}
    pair.start_worker("-c", "1", "--prefetch-multiplier", "1")
    pair.watch.wait(lambda entries: len([entry for entry in entries if entry["kind"] == "end"]) == 20, 20)
    ran = [order[entry["id"]] for entry in pair.watch.update() if entry["kind"] == "start"]
    assert ran == sorted(ran, reverse=pair.place.name != "redis")


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_serializers(pair, serializer):
    pair.settings["result_serializer"] = serializer
    pair.start_worker("-c", "1")
    arguments = [*VALUES, *(TAGGED if serializer in ("json", "pickle") else [])]
    if serializer in ("pickle", "msgpack"):
        arguments.append({"bytes": "00ff10"})
    (answer,) = pair.talk([{"task": "echo", "args": arguments, "kwargs": {"k": "v"}, "options": {"serializer": serializer}}])
    assert answer["state"] == "SUCCESS", answer
    assert answer["value"] == plain({"args": rich(arguments), "kwargs": {"k": "v"}})


@pytest.mark.parametrize("compression", ["gzip", "zlib", "bzip2", "lzma", "zstd", "brotli"])
def test_compressions(pair, compression):
    pair.start_worker("-c", "1")
    text = "compress me " * 500
    (answer,) = pair.talk([{"task": "echo", "args": [text], "options": {"compression": compression}}])
    assert answer.get("value") == [text], answer


def test_ids_and_request(pair):
    pair.start_worker("-c", "1")
    (answer,) = pair.talk([call("about", task_id="my-own-id-1")])
    assert answer["value"]["id"] == "my-own-id-1"
    assert answer["value"]["root_id"] == "my-own-id-1"
    assert answer["value"]["correlation_id"] == "my-own-id-1"


def test_an_ignored_result_is_not_waited_for(pair):
    pair.start_worker("-c", "1")
    answers = pair.talk([call("quiet", 1), call("add", 1, 2)], timeout=2)
    assert answers[1]["value"] == 3
    assert answers[0] == {"id": answers[0]["id"], "state": "PENDING", "value": None}
