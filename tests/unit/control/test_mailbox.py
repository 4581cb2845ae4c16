from __future__ import annotations

import json
import threading

import pytest

from umbel.brokers.fanout import private_queues
from umbel.brokers.fanout.blocking import BlockingSubscriber
from umbel.control.mailbox import Mailbox, MailboxOptions, request_to
from umbel.errors import EncodeError
from umbel.runtime.logical_clock import LogicalClock
from umbel.testing.fakes import FakeApp
from umbel.wire.message import Message


class Worker:
    """Answers each request with what it is told to."""

    def __init__(self, broker, answers):
        self.broker, self.answers = broker, answers
        self.subscriber = BlockingSubscriber(broker.subscriber(private_queues.control_queue("w1@h")))
        self.seen = []

    def __enter__(self):
        self.subscriber.open()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.subscriber.close()
        self.thread.join()

    def serve(self):
        while messages := self.subscriber.receive(20):
            for message in messages:
                request = json.loads(message.body)
                self.seen.append((request, message.headers))
                if "reply_to" in request:
                    for answer in self.answers:
                        self.reply(request, answer)

    def reply(self, request, answer):
        ticket = request["ticket"] if answer != b"stale" else "another"
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        message = Message(body, {"ticket": ticket, "clock": 50}, properties={"delivery_mode": 1})
        self.broker.broadcaster().broadcast(private_queues.control_reply_exchange(), message, request["reply_to"]["routing_key"])


@pytest.fixture
def broker(tmp_path):
    with FakeApp(broker=f"memory:///{tmp_path.name}") as app:
        yield app.broker


def mailbox(broker):
    return Mailbox(lambda: broker, MailboxOptions(), LogicalClock())


def test_replies_are_collected_until_there_are_enough_of_them(broker):
    box, told = mailbox(broker), []
    with Worker(broker, [{"w1@h": 1}, b"no json", b"stale", b"[]", {"w2@h": 2}, {"w3@h": 3}]) as worker:
        found = box.ask(request_to("ping", {"x": 1}), timeout=20, limit=2, callback=told.append)
        assert found == [{"w1@h": 1}, {"w2@h": 2}]
        assert told[:2] == found
        ((request, headers),) = worker.seen
    assert list(request) == ["method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to"]
    assert headers["clock"] == 1
    assert box._clock.value > 50


def test_who_waits_for_nobody_waits_no_longer_than_it_is_told(broker):
    assert mailbox(broker).ask(request_to("ping", {}), timeout=0.01) == []


def test_a_request_may_want_no_reply(broker):
    with Worker(broker, []) as worker:
        mailbox(broker).tell(request_to("shutdown", {}, destination=["w1@h"]), None)
        mailbox(broker).ask(request_to("ping", {}), timeout=0.01)
        while len(worker.seen) < 2:
            pass
    (request, headers), _ = worker.seen
    assert (request["destination"], "ticket" in request, headers["expires"]) == (["w1@h"], False, 0)


def test_nothing_is_sent_that_cannot_be_written(broker):
    with pytest.raises(EncodeError):
        mailbox(broker).ask(request_to("ping", {"x": object()}), timeout=0.01)


@pytest.mark.parametrize("destination", [3, {"a": 1}, [1], b"w1@h"])
def test_a_destination_is_a_list_of_names(destination):
    with pytest.raises(TypeError, match="destination is a list of node names"):
        request_to("ping", {}, destination=destination)


def test_a_pattern_is_a_glob_unless_it_is_said_to_be_another():
    assert [request_to("ping", {}, pattern="w*", matcher=matcher).matcher for matcher in (None, "pcre")] == ["glob", "pcre"]
    assert request_to("ping", {}, matcher="pcre").matcher is None
