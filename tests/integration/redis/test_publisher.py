"""The Redis publisher and what goes wrong behind its back."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from umbel.brokers.topology import Destination
from umbel.errors import OperationalError, PublishError
from umbel.testing.brokers import BrokerKit
from umbel.wire.message import Call, Message, Stencil

pytestmark = pytest.mark.redis


def sent(kit, queue, body):
    """Publish a message; returns an event that it is confirmed."""
    confirmed = threading.Event()
    with kit.publisher.receipt() as receipt:
        kit.publisher.publish(Message(body, {}), Destination.of(queue))
    receipt.when_settled(lambda error: confirmed.set() if error is None else None)
    return confirmed


def test_a_declaration_that_a_new_connection_refuses_is_told_and_tried_again(own_kit, private):
    queue = own_kit.queue()
    publisher = own_kit.publisher
    publisher.declare(queue)
    publisher.flush()
    binding = f"_kombu.binding.{queue.name}"
    with private.client() as client:
        client.set(binding, "no set")
        private.drop_connections()
        publisher.publish(Message(b"1", {}), Destination.of(queue))
        with pytest.raises(PublishError, match="WRONGTYPE"):
            publisher.flush()
        with pytest.raises(PublishError, match="WRONGTYPE"):
            publisher.publish(Message(b"2", {}), Destination.of(queue))
        client.delete(binding)
        publisher.publish(Message(b"3", {}), Destination.of(queue), confirm=True)
        assert client.scard(binding) == 1
        assert own_kit.length(queue) == 2


def test_a_declaration_that_is_refused_fails_its_own_call(kit):
    queue, other = kit.queue(), kit.queue("other")
    publisher = kit.publisher
    publisher.declare(other)
    binding = f"{kit.transport['global_keyprefix']}_kombu.binding.{queue.name}"
    with redis.Redis.from_url(kit.url) as client:
        client.set(binding, "no set")
        with pytest.raises(PublishError, match="WRONGTYPE") as caught:
            publisher.declare(queue)
        assert caught.value.is_permanent
        publisher.publish(Message(b"1", {}), Destination.of(other), confirm=True)
        publisher.flush()
        assert client.delete(binding)
        publisher.publish(Message(b"1", {}), Destination.of(queue), confirm=True)
        assert client.scard(binding) == 1


def test_an_answer_that_another_thread_has_read_is_not_waited_for(kit, monkeypatch):
    """The socket stays silent then: who waits for it must look again by himself."""
    from umbel.brokers.redis import publisher

    waits = []
    monkeypatch.setattr(publisher, "wait_ready", lambda _sock, seconds, **_: waits.append(seconds))
    kit.publisher.publish(Message(b"1", {}), Destination.of(kit.queue()), confirm=True)
    kit.publisher._wait_for_answers(10.0)
    assert waits and max(waits) <= 0.01


def test_threads_that_wait_for_one_that_cannot_connect_fail_with_it(unique):
    away = BrokerKit("redis", "redis://127.0.0.1:1/0")
    publisher = away.broker(publish_timeout=1.0, publish_retries=10).publisher()
    stencil = Stencil({"task": "t", "id": None}, {}, "application/json", "utf-8", "", unique("q"))
    taken, ready = [], threading.Barrier(5)

    def publish():
        ready.wait()
        begun = time.monotonic()
        with pytest.raises(OperationalError, match=r"127\.0\.0\.1:1"):
            publisher.publish_stencil(stencil, Call("id", "id", None, "()", "{}", b""))
        taken.append(time.monotonic() - begun)

    threads = [threading.Thread(target=publish) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 5
    assert max(taken) < 1.5


def test_who_waits_for_a_reply_that_another_thread_has_read_looks_again_soon(kit, monkeypatch):
    publisher, queue, waits = kit.broker().publisher(), kit.queue(), []
    publisher.publish(Message(b"1", {}), Destination.of(queue), confirm=True)
    monkeypatch.setattr("umbel.brokers.redis.publisher.wait_ready", lambda sock, seconds, **_: waits.append(seconds))
    publisher._wait_for_answers(10.0)
    assert 0 < waits[0] <= 0.05, "nothing more may come"


class TestReader:
    """Its thread goes on, whatever happens."""

    @pytest.fixture
    def kit(self, line):
        made = BrokerKit("redis", line.url)
        yield made
        line.refusing = line.deaf = False
        made.close()

    @pytest.fixture
    def queue(self, kit):
        made = kit.queue()
        kit.publisher.declare(made)
        kit.publisher.flush()
        return made

    def leave_one_unconfirmed(self, kit, queue, line):
        line.deaf = True
        return sent(kit, queue, b"1")

    def test_a_callback_that_raises_harms_nobody_else(self, kit, queue, line, caplog):
        line.deaf = True

        def fail(_):
            raise RuntimeError("a callback of the user")

        with kit.publisher.receipt() as receipt:
            kit.publisher.publish(Message(b"0", {}), Destination.of(queue))
        receipt.when_settled(fail)
        first = sent(kit, queue, b"1")
        line.deaf = False
        line.cut()
        assert first.wait(5)
        assert sent(kit, queue, b"2").wait(5)
        assert "a callback of the user" in caplog.text

    def test_bytes_that_are_not_resp_are_a_lost_connection(self, kit, queue, line):
        confirmed = self.leave_one_unconfirmed(kit, queue, line)
        line.deaf = False
        line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert confirmed.wait(5)
        assert kit.length(queue) == 1

    def test_an_answer_that_nobody_asked_for_is_a_lost_connection(self, kit, queue, line):
        confirmed = self.leave_one_unconfirmed(kit, queue, line)
        line.deaf = False
        line.say(b":1\r\n:2\r\n:3\r\n")
        assert confirmed.wait(5)
        assert sent(kit, queue, b"2").wait(5)
        assert kit.length(queue) == 2

    def test_credentials_that_cannot_be_had_are_asked_for_again(self, private, line, unique):
        class Provider:
            asked = threading.Event()
            fails = False

            def get_credentials(self):
                if self.fails:
                    self.asked.set()
                    raise ValueError("the vault is closed")
                return "vault", "pw"

        with private.client() as client:
            client.acl_setuser("vault", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all"])
        provider = Provider()
        kit = BrokerKit("redis", line.url, transport={"credential_provider": provider})
        queue = kit.queue()
        kit.publisher.declare(queue)
        kit.publisher.flush()
        confirmed = self.leave_one_unconfirmed(kit, queue, line)
        provider.fails = True
        line.deaf = False
        line.cut()
        assert provider.asked.wait(5)
        provider.fails = False
        assert confirmed.wait(5)
        kit.close()


def test_delayed_messages_are_given_back_for_celery(kit, client):
    queue = kit.queue()
    tool = kit.main.queue_client()
    tool.declare(queue)
    members = {"0 " + '{"headers": {"eta": "2030-01-01T00:00:00"}}': 2e9, "6 " + '{"headers": {"eta": "2031-01-01T00:00:00"}}': 2e9}
    keys = tool._keys
    client.zadd(keys.delayed(queue.name), members)
    assert tool.release_delayed(queue.name) == 2
    assert tool.delayed(queue.name) == 0
    assert [client.lrange(key, 0, -1) for key in keys.lists(queue.name)][::2] == [
        [b'{"headers": {"eta": "2030-01-01T00:00:00"}}'],
        [b'{"headers": {"eta": "2031-01-01T00:00:00"}}'],
    ]
    assert tool.release_delayed(queue.name) == 0
    tool.delete(queue.name)
    tool.close()
