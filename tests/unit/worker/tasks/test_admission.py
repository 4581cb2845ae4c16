import sys
from datetime import UTC, datetime, timedelta

import pytest

from umbel.errors import MessageTooLarge
from umbel.execution.policy import TaskPolicy
from umbel.wire.message import Message
from umbel.worker.tasks.admission import AdmissionPolicy, DeadLetter, Expire, Hold, Postpone, Run, admit

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUSE = AdmissionPolicy(
    policies={"t": TaskPolicy(name="t"), "limited": TaskPolicy(name="limited", time_limit=30.0, soft_time_limit=20.0)}, max_deliveries=5
)


def decide(attempts=0, flaw=None, policy=HOUSE, **headers):
    return admit(Message(b"", {"task": "t", "id": "i", **headers}), attempts=attempts, flaw=flaw, policy=policy, now=NOW.timestamp())


def at(**delta):
    return (NOW + timedelta(**delta)).isoformat()


def test_a_plain_message_runs():
    assert decide() == Run(None, None)


def test_times():
    assert decide(eta=at(seconds=-1)) == Run(None, None)
    assert decide(eta=at(seconds=2)) == Hold(NOW.timestamp() + 2)
    assert decide(eta=at(hours=1)) == Postpone(NOW.timestamp() + 3600)
    assert decide(expires=at(seconds=-1)) == Expire()
    assert decide(expires=at(seconds=1)) == Run(None, None, NOW.timestamp() + 1)
    assert decide(expires=at(seconds=-1), eta=at(hours=1)) == Expire()


def test_limits_of_the_message_outrank_those_of_the_task_and_the_worker():
    assert decide(task="limited") == Run(30.0, 20.0)
    assert decide(task="limited", timelimit=[5, None]) == Run(5.0, 20.0)
    worker = AdmissionPolicy(policies=HOUSE.policies, time_limit=7.0)
    assert decide(policy=worker) == Run(7.0, None)
    assert decide(policy=worker, timelimit=[None, 3]) == Run(7.0, 3.0)


def test_an_unknown_task_is_dead_lettered_by_name():
    decision = decide(task="nope")
    assert isinstance(decision, DeadLetter)
    assert decision.reason == "unregistered"
    assert "nope" in decision.detail


def test_a_flaw_is_its_reason():
    assert decide(flaw=MessageTooLarge("17 MiB")) == DeadLetter("too_large", "17 MiB")


def test_a_flawed_message_is_not_kept_in_memory():
    message, flaw = Message(b"x" * 1000, {"task": "t", "id": "i"}), MessageTooLarge("17 MiB")
    before = sys.getrefcount(message)
    admit(message, attempts=0, flaw=flaw, policy=HOUSE, now=0.0)
    assert sys.getrefcount(message) == before


def test_too_many_deaths():
    assert decide(attempts=4) == Run(None, None)
    assert decide(attempts=5).reason == "worker_lost"
    assert decide(attempts=99, policy=AdmissionPolicy(policies=HOUSE.policies, max_deliveries=0)) == Run(None, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"task": 5},
        {"task": None},
        {"id": ["i"]},
        {"stamps": []},
        {"id": ""},
        {"id": "x" * 300},
        {"eta": "yesterday"},
        {"eta": 5},
        {"expires": -1},
        {"retries": 10**12},
        {"retries": "1"},
        {"retries": True},
        {"timelimit": ["a"]},
        {"timelimit": "ab"},
        {"timelimit": [float("nan"), None]},
        {"timelimit": [-1, None]},
        {"group_index": "x"},
        {"root_id": {}},
    ],
)
def test_wrong_types_are_dead_lettered_with_a_sentence(headers):
    decision = decide(**headers)
    assert isinstance(decision, DeadLetter)
    assert decision.reason == "invalid_message"
    assert 10 < len(decision.detail) < 300
