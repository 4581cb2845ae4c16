from __future__ import annotations

import asyncio
import json
import pickle
import threading

import pytest

from umbel.brokers.base import ConnectionState
from umbel.brokers.fanout import private_queues
from umbel.brokers.topology import Exchange
from umbel.control.commands import Commands, control_command, inspect_command
from umbel.control.mailbox import MailboxOptions
from umbel.errors import OperationalError
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message
from umbel.worker.remote import service as service_module
from umbel.worker.remote.service import BUILT_IN, RemoteControl
from unit.worker.remote.facade_bench import NODE, FacadeBench

OPTIONS = MailboxOptions()
REPLIES = private_queues.control_reply_queue("me")


class Stage(FacadeBench):
    """A worker's mailbox on a broker in this process, and an inbox for its replies."""

    def __init__(self, commands=None, **settings):
        super().__init__(broker=f"memory:///{id(self)}", **settings)
        more = {} if commands is None else {"commands": commands}
        self.service = RemoteControl(self.state, self.app.broker, OPTIONS, **more)
        self.inbox = self.app.broker.reply_inbox(REPLIES)

    async def __aenter__(self):
        self.inbox.open()
        await self.stage.service.start()
        await self.service.start()
        return self

    async def __aexit__(self, *_):
        await self.service.stop()
        self.inbox.close()

    def send(self, body, content_type="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.app.broker.broadcaster().broadcast(private_queues.control_exchange(), Message(data, headers, content_type))

    def request(self, method, arguments=None, **fields):
        to = {"exchange": self.inbox.address.exchange, "routing_key": self.inbox.address.routing_key}
        self.send({"method": method, "arguments": arguments or {}, "ticket": "t", "reply_to": to, **fields}, clock=3)

    async def replies(self, count=1, timeout=10.0):
        found = []
        while len(found) < count:
            taken = await asyncio.to_thread(self.inbox.receive, timeout)
            if not taken:
                break
            found += taken
        return found

    async def reply(self):
        (found,) = await self.replies()
        return json.loads(found.body)[NODE]


@on_loop
async def test_a_request_is_answered_with_its_ticket_and_a_later_time():
    async with Stage() as stage:
        stage.request("ping")
        (reply,) = await stage.replies()
        assert json.loads(reply.body) == {NODE: {"ok": "pong"}}
        assert (reply.headers["ticket"], reply.headers["clock"]) == ("t", 5)
        assert reply.properties["delivery_mode"] == 1


@on_loop
async def test_a_command_that_is_none_is_answered_as_celery_does():
    async with Stage() as stage:
        stage.request("no_such_cmd")
        assert await stage.reply() == {"error": "KeyError('no_such_cmd')"}


@on_loop
async def test_only_who_is_meant_answers():
    async with Stage() as stage:
        stage.request("ping", destination=["w2@golden"])
        stage.request("ping", destination=[])
        stage.request("ping", pattern="w2*", matcher="glob")
        stage.request("ping", pattern="(", matcher="pcre")
        stage.request("ping", pattern="w1*", matcher="no such")
        stage.request("ping", destination=["w2@golden"], pattern="w[12]@", matcher="pcre", ticket="by pattern")
        stage.request("ping", destination=["a@b", NODE], ticket="by name")
        assert [reply.headers["ticket"] for reply in await stage.replies(2)] == ["by pattern", "by name"]


@pytest.mark.parametrize(
    "message",
    [
        (b"not json", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"arguments": {}}', "application/json"),
        (b'{"method": 3}', "application/json"),
        (b'{"method": "ping", "arguments": [1]}', "application/json"),
        (b'{"method": "ping", "destination": 3}', "application/json"),
        (b'{"method": "ping", "reply_to": "me"}', "application/json"),
        (b'{"method": "ping", "reply_to": {"exchange": "x"}}', "application/json"),
        (b'{"method": "' + b"x" * 300 + b'"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (pickle.dumps({"method": "ping"}), "application/x-python-serialize"),
        (b"method: ping", "application/x-yaml"),
        (b"\xff\xfe", "application/octet-stream"),
    ],
)
@on_loop
async def test_what_is_no_request_is_passed_over_and_the_next_is_answered(message, caplog):
    async with Stage() as stage:
        body, content_type = message
        stage.send(body, content_type)
        stage.request("ping")
        assert await stage.reply() == {"ok": "pong"}
    assert "A remote control message is passed over" in caplog.text


@on_loop
async def test_a_huge_request_is_passed_over(caplog):
    async with Stage(message_max_body=10_000) as stage:
        stage.send({"method": "revoke", "arguments": {"task_id": ["x" * 100] * 1000}})
        stage.request("ping")
        assert await stage.reply() == {"ok": "pong"}
        assert list(stage.stage.revoked.ids) == []


@on_loop
async def test_replies_go_where_replies_go_and_nowhere_else(caplog):
    async with Stage() as stage:
        tasks = private_queues.control_queue("trap", "trap")
        subscriber = stage.app.broker.reply_inbox(private_queues.control_reply_queue("celery", "trap"))
        subscriber.open()
        stage.request("ping", reply_to={"exchange": subscriber.address.exchange, "routing_key": "celery"})
        stage.request("ping", reply_to={"exchange": "", "routing_key": "celery"})
        stage.request("ping", ticket="mine")
        assert (await stage.replies())[0].headers["ticket"] == "mine"
        assert subscriber.receive(0.01) == []
        subscriber.close()
        assert tasks.name not in str(stage.app.broker)
    assert "no reply is sent to exchange 'reply.trap.pidbox'" in caplog.text


@on_loop
async def test_nobody_need_be_there_to_take_a_reply():
    async with Stage() as stage:
        stage.request("ping", reply_to={"exchange": stage.inbox.address.exchange, "routing_key": "nobody"})
        stage.request("ping")
        assert await stage.reply() == {"ok": "pong"}


@on_loop
async def test_a_forged_time_is_no_time():
    async with Stage() as stage:
        for clock in (-5, 2**70, "9", None, True, 3.5):
            stage.send({"method": "ping"}, clock=clock)
        stage.request("clock")
        assert (await stage.reply())["clock"] < 20


def own_commands():
    commands = Commands()
    seen = []

    def register(decorate, function):
        before = service_module.COMMANDS
        decorate(function)
        commands.add(before.find(function.__name__))
        return function

    return commands, seen, register


@on_loop
async def test_commands_of_an_app_run_in_a_thread_or_on_the_loop():
    commands, _, register = own_commands()

    def in_a_thread(state, n=1):
        return {"ok": [state.hostname, n, threading.current_thread().name.startswith("umbel-control")]}

    async def on_the_loop(state):
        await asyncio.sleep(0)
        return threading.current_thread() is threading.main_thread()

    async def returns_a_set(state):
        return {1, 2}

    def raises(state):
        raise KeyError("x" * 10_000)

    def returns_much(state):
        return "x" * 9_000_000

    for function in (in_a_thread, on_the_loop, returns_a_set):
        register(inspect_command, function)
    for function in (raises, returns_much):
        register(control_command(args=[("n", int)], signature="[N=1]"), function)
    async with Stage(commands) as stage:
        stage.request("in_a_thread", {"n": 2})
        assert await stage.reply() == {"ok": [NODE, 2, True]}
        stage.request("on_the_loop")
        assert await stage.reply() is True
        stage.request("in_a_thread", {"m": 2})
        assert (await stage.reply())["error"].startswith("TypeError(")
        stage.request("returns_a_set")
        assert (await stage.reply())["error"].startswith("EncodeError(")
        stage.request("raises")
        assert len((await stage.reply())["error"]) == 2001
        stage.request("returns_much")
        assert "at most 8,388,608 are sent" in (await stage.reply())["error"]


@on_loop
async def test_a_slow_command_holds_up_no_other():
    commands, _, register = own_commands()
    release = threading.Event()

    def slow_command(state):
        release.wait(20)
        return "late"

    register(inspect_command, slow_command)
    commands.add(service_module.COMMANDS.find("ping"))
    async with Stage(commands) as stage:
        stage.request("slow_command", ticket="slow")
        stage.request("ping", ticket="quick")
        assert [reply.headers["ticket"] for reply in await stage.replies()] == ["quick"]
        release.set()
        assert [reply.headers["ticket"] for reply in await stage.replies()] == ["slow"]


@on_loop
async def test_of_a_flood_of_slow_commands_some_are_dropped(monkeypatch, caplog):
    monkeypatch.setattr(service_module, "_MOST_UNDER_WAY", 2)
    monkeypatch.setattr(service_module, "_MOST_WAITING", 3)
    commands, _, register = own_commands()
    gate = asyncio.Event()

    async def waiting_command(state):
        await gate.wait()

    register(inspect_command, waiting_command)
    async with Stage(commands) as stage:
        for _ in range(20):
            stage.request("waiting_command")
        while "others are dropped" not in caplog.text:
            await asyncio.sleep(0.01)
        gate.set()
        assert 4 <= len(await stage.replies(20, timeout=0.3)) < 20


@on_loop
async def test_of_a_flood_of_quick_commands_all_are_answered(monkeypatch):
    monkeypatch.setattr(service_module, "_MOST_UNDER_WAY", 2)
    async with Stage() as stage:
        for number in range(500):
            stage.request("ping", ticket=str(number))
        assert [reply.headers["ticket"] for reply in await stage.replies(500)] == [str(number) for number in range(500)]


@on_loop
async def test_of_very_many_wrong_requests_few_are_told(caplog):
    async with Stage() as stage:
        for _ in range(200):
            stage.send(b"no json")
        stage.request("ping")
        assert await stage.reply() == {"ok": "pong"}
    assert 1 <= caplog.text.count("is passed over") <= 40
    assert "no more is said about such messages in this minute" in caplog.text


@on_loop
async def test_a_mailbox_that_is_refused_is_opened_later(monkeypatch, caplog):
    monkeypatch.setattr(service_module, "_AGAIN", 0.01)
    refusals = [OperationalError("locked"), OperationalError("locked")]

    class Broker:
        def broadcaster(self):
            return stage.app.broker.broadcaster()

        def subscriber(self, queue):
            made = stage.app.broker.subscriber(queue)
            start = made.start

            async def refuse(sink):
                if refusals:
                    raise refusals.pop()
                await start(sink)

            made.start = refuse
            return made

    stage = Stage()
    stage.service = RemoteControl(stage.state, Broker(), OPTIONS)
    async with stage:
        await stage.service._opening
        stage.request("ping")
        assert await stage.reply() == {"ok": "pong"}
    assert caplog.text.count("Remote control does not work yet; is there another worker named w1@golden?") == 2


@on_loop
async def test_a_mailbox_that_takes_long_holds_no_worker_up(monkeypatch, caplog):
    monkeypatch.setattr(service_module, "_PATIENCE", 0.01)

    class Broker:
        def __init__(self):
            self.closed = 0

        def broadcaster(self):
            return stage.app.broker.broadcaster()

        def subscriber(self, queue):
            return self

        async def start(self, sink):
            sink.on_connection(ConnectionState.RETRYING, "the queue is locked")
            await asyncio.Event().wait()

        async def aclose(self):
            self.closed += 1

    stage, broker = Stage(), Broker()
    stage.service = RemoteControl(stage.state, broker, OPTIONS)
    async with stage:
        assert "The worker goes on without: the queue is locked" in caplog.text
    assert broker.closed == 1


@on_loop
async def test_it_may_be_switched_off():
    stage = Stage()
    stage.service = RemoteControl(stage.state, stage.app.broker, OPTIONS, enabled=False)
    async with stage:
        stage.request("ping")
        assert await stage.replies(timeout=0.05) == []


def test_every_built_in_command_says_what_it_does():
    own = [command for command in service_module.COMMANDS if command.handler.__module__ in {module.__name__ for module in BUILT_IN}]
    assert {command.name for command in own} == {
        "active", "active_queues", "add_consumer", "autoscale", "cancel_consumer", "check_paused_queues", "clock", "conf", "disable_events", "election",
        "enable_events", "heartbeat", "hello", "memdump", "memsample", "objgraph", "ping", "pool_grow", "pool_restart", "pool_shrink",
        "query_task", "rate_limit", "registered", "report", "reserved", "revoke", "revoke_by_stamped_headers", "revoked", "scheduled",
        "shutdown", "stats", "terminate", "time_limit",
    }  # fmt: skip
    assert all(command.help and "\n" not in command.help for command in own)
    assert all(asyncio.iscoroutinefunction(command.handler) for command in own if command.name != "objgraph")


def test_the_exchange_of_replies_is_celerys():
    assert private_queues.control_reply_exchange(OPTIONS.namespace) == Exchange("reply.celery.pidbox", durable=False)
