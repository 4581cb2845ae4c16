"""Broadcasts, events and their answers between Umbel and real Celery 5.7, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
import uuid

import pytest

from contracts.fanout_contract import Received
from interop.pairing import celery_python
from system.conftest import database
from system.processes import TESTS
from umbel.brokers.base import BrokerOptions
from umbel.brokers.fanout import private_queues
from umbel.brokers.registry import connect
from umbel.brokers.topology import Exchange
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

SOON = 30.0


@pytest.fixture(
    params=[
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("redis-prefixed", marks=pytest.mark.redis),
        pytest.param("redis-plain", marks=pytest.mark.redis),
    ]
)
def side(request, unique):
    url = request.getfixturevalue("rabbitmq_url") if request.param == "rabbitmq" else database(request, 5)
    transport = {
        "redis-prefixed": {"global_keyprefix": unique("prefix") + ":", "fanout_prefix": "/fan{db}."},
        "redis-plain": {"fanout_prefix": False, "fanout_patterns": False},
    }.get(request.param, {})
    made = Side(url, transport, unique("ns"), unique("ev"))
    yield made
    made.close()


class Side:
    """Umbel's broker, and Celery's programs on the same one."""

    def __init__(self, url, transport, namespace, events):
        self.setup = {"broker": url, "transport": transport, "namespace": namespace, "events": events, "count": 1}
        self.namespace, self.events = namespace, events
        self.broker = connect(BrokerOptions(urls=(url,), transport=transport))
        self.programs = []

    def celery(self, command, **setup):
        program = subprocess.Popen(
            [str(celery_python()), "-m", "interop.fanout_side", command, json.dumps({**self.setup, **setup})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=TESTS,
        )
        self.programs.append(program)
        return program

    def close(self):
        for program in self.programs:
            program.kill()
            program.communicate()
        self.broker.close()


def line(program):
    text = program.stdout.readline()
    assert text, program.stderr.read()[-3000:]
    return json.loads(text)


def json_message(value, headers=None, mode=1):
    return Message(json.dumps(value).encode(), headers or {}, properties={"delivery_mode": mode, "priority": 0})


def request_to(method, address, ticket):
    body = {"method": method, "arguments": {"n": 1}, "destination": None, "pattern": None, "matcher": None, "ticket": ticket}
    body["reply_to"] = {"exchange": address.exchange, "routing_key": address.routing_key}
    return json_message(body, {"clock": 3, "expires": time.time() + 60}, mode=2)


def test_a_kombu_node_answers_a_broadcast(side):
    program = side.celery("node", count=2)
    assert line(program) == "listens"
    inbox = side.broker.reply_inbox(private_queues.control_reply_queue(str(uuid.uuid4()), side.namespace))
    with contextlib.closing(inbox):
        inbox.open()
        for ticket in ("t1", "t2"):
            side.broker.broadcaster().broadcast(private_queues.control_exchange(side.namespace), request_to("ping", inbox.address, ticket))
            seen = line(program)
            assert (seen["body"]["method"], seen["headers"]["clock"]) == ("ping", 3)
            (reply,) = inbox.receive(SOON)
            assert json.loads(reply.body) == {"kombu@node": {"ok": "pong", "arguments": {"n": 1}}}
            assert reply.headers["ticket"] == ticket
    assert program.wait(SOON) == 0


@on_loop
async def test_a_kombu_mailbox_is_answered(side):
    sink = Received()
    subscriber = side.broker.subscriber(private_queues.control_queue("umbel@node", side.namespace))
    await subscriber.start(sink)
    try:
        program = side.celery("inspect")
        await asyncio.wait_for(sink.until(lambda: sink.messages), SOON)
        (request,) = sink.messages
        assert request.flaw is None
        body = json.loads(request.body)
        assert (body["method"], body["arguments"]) == ("ping", {"n": 1})
        to = body["reply_to"]
        answer = json_message({"umbel@node": {"ok": "pong"}}, {"ticket": body["ticket"], "clock": 5})
        await asyncio.to_thread(side.broker.broadcaster().broadcast, Exchange(to["exchange"], durable=False), answer, to["routing_key"])
        assert await asyncio.to_thread(line, program) == [{"umbel@node": {"ok": "pong"}}]
    finally:
        await subscriber.aclose()


def test_celery_receives_events(side):
    program = side.celery("receive", count=3)
    assert line(program) == "listens"
    exchange = private_queues.event_exchange(side.events)
    base = {"hostname": "umbel@w", "utcoffset": 0, "pid": 1, "timestamp": time.time()}
    sent = [
        {**base, "type": kind, "clock": clock, "uuid": "u"} for clock, kind in enumerate(("worker-online", "task-received", "task-started"))
    ]
    headers = {"hostname": "umbel@w"}
    side.broker.broadcaster().broadcast_many(
        exchange, [(json_message(sent[0], headers), "worker.online"), (json_message(sent[1:], headers), "task.multi")]
    )
    got = [line(program) for _ in sent]
    assert [(event["type"], event["hostname"], event["uuid"]) for event in got] == [(event["type"], "umbel@w", "u") for event in sent]
    assert program.wait(SOON) == 0


@on_loop
async def test_celerys_events_are_received(side):
    everything, tasks = Received(), Received()
    subscribers = [
        side.broker.subscriber(private_queues.event_queue(str(uuid.uuid4()), patterns, exchange=side.events))
        for patterns in (["#"], ["task.#"])
    ]
    try:
        for subscriber, sink in zip(subscribers, (everything, tasks), strict=True):
            await subscriber.start(sink)
        program = side.celery("dispatch")
        await asyncio.wait_for(everything.until(lambda: len(everything.messages) >= 2), SOON)
        await tasks.until(lambda: tasks.messages)
        online, multi = everything.messages
        assert (online.routing_key, json.loads(online.body)["type"], online.headers["hostname"]) == (
            "worker.online",
            "worker-online",
            "celery@side",
        )
        assert multi.routing_key == "task.multi"
        assert [event["type"] for event in json.loads(multi.body)] == ["task-received", "task-succeeded"]
        assert [message.body for message in tasks.messages] == [multi.body]
        assert await asyncio.to_thread(program.wait, SOON) == 0
    finally:
        for subscriber in subscribers:
            await subscriber.aclose()
