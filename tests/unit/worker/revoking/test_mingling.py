from __future__ import annotations

import asyncio
import json
import threading

import pytest

from umbel.brokers.fanout import private_queues
from umbel.brokers.fanout.blocking import BlockingSubscriber
from umbel.runtime.clock import SYSTEM
from umbel.testing.coroutines import on_loop
from umbel.testing.fakes import FakeApp
from umbel.wire.message import Message
from umbel.worker.revoking.mingling import Mingling, revoked_there


class Revoking:
    """Remembers what is learnt."""

    def __init__(self, ids=()):
        self.ids, self.learnt, self.changed = list(ids), [], asyncio.Event()

    def learn(self, entries):
        self.learnt.append(sorted(entries))
        self.changed.set()


class Other(threading.Thread):
    """Another worker, which answers the first request."""

    def __init__(self, app, *answers):
        super().__init__()
        self.broker, self.answers = app.broker, answers
        self.subscriber = BlockingSubscriber(app.broker.subscriber(private_queues.control_queue("other@host")))
        self.subscriber.open()
        self.request = None
        self.start()

    def run(self):
        (message,) = self.subscriber.receive(20)
        self.request = json.loads(message.body)
        for answer in self.answers:
            reply = Message(json.dumps(answer).encode(), {"ticket": self.request["ticket"], "clock": 1})
            to = self.request["reply_to"]["routing_key"]
            self.broker.broadcaster().broadcast(private_queues.control_reply_exchange(), reply, to)
        self.subscriber.close()


@pytest.fixture
def app(tmp_path):
    with FakeApp(broker=f"memory:///{tmp_path.name}") as app:
        yield app


def made(app, revoking, *, enabled=True):
    return Mingling(app, "me@host", revoking, enabled=enabled)


@on_loop
async def test_each_tells_the_other_what_it_knows(app):
    other = Other(app, {"me@host": {"revoked": ["mine"]}}, {"odd@host": None}, {"other@host": {"revoked": ["a", "b"], "clock": 500}})
    revoking = Revoking(["c"])
    mingling = made(app, revoking)
    await mingling.start()
    await asyncio.wait_for(revoking.changed.wait(), 20)
    await mingling.stop()
    other.join(20)
    assert revoking.learnt == [["a", "b"]]
    assert app.clock.value > 500
    assert (other.request["method"], other.request["arguments"]) == ("hello", {"from_node": "me@host", "revoked": ["c"]})


@on_loop
async def test_a_start_waits_for_nobody_and_a_stop_ends_it(app):
    mingling = made(app, Revoking())
    before = SYSTEM.monotonic()
    await mingling.start()
    thread = mingling._thread
    await mingling.stop()
    assert not thread.is_alive()
    assert SYSTEM.monotonic() - before < 4  # it would listen for longer


@on_loop
async def test_it_may_be_left_out(app):
    mingling = made(app, Revoking(), enabled=False)
    await mingling.start()
    await mingling.stop()
    assert mingling._thread is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [(["a", 3, None, "", "b\n", "x" * 300, "b"], ["a", "b"]), ({"a": 1.0, "b": [1, "b"]}, ["a", "b"]), (None, []), ("text", []), (5, [])],
)
def test_what_others_tell_is_not_trusted(told, expected):
    assert list(revoked_there(told)) == expected


def test_of_very_many_some_are_taken():
    assert len(revoked_there([str(number) for number in range(150_000)])) == 100_000
