"""The Redis publisher and what goes wrong behind its back."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from contracts.kit import Kit
from umbel.brokers.topology import Destination
from umbel.errors import OperationalError, PublishError
from umbel.messages.model import Message, Stencil

pytestmark = pytest.mark.redis


def told(publisher):
    """An event: what was published so far is confirmed."""
    confirmed = threading.Event()
    publisher.on_confirmed(lambda error: confirmed.set() if error is None else None)
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
        with pytest.raises(PublishError, match="WRONGTYPE"):
            publisher.publish(Message(b"1", {}), Destination.of(queue))
        client.delete(binding)
        publisher.publish(Message(b"2", {}), Destination.of(queue), confirm=True)
        assert client.scard(binding) == 1
        assert own_kit.length(queue) == 1


def test_a_refusal_that_is_read_before_the_declaration_returns_is_not_forgotten(kit, monkeypatch):
    queue = kit.queue()
    publisher = kit.publisher
    publisher.declare(kit.queue("other"))
    publisher.flush()
    write = publisher._write

    def write_and_read(data, items, deadline):
        number = write(data, items, deadline)
        while publisher._confirmed < number:  # as its reading thread does
            with publisher._lock:
                publisher._read_now()
        return number

    binding = f"{kit.transport['global_keyprefix']}_kombu.binding.{queue.name}"
    with redis.Redis.from_url(kit.url) as client:
        client.set(binding, "no set")
        monkeypatch.setattr(publisher, "_write", write_and_read)
        publisher.declare(queue)
        monkeypatch.undo()
        with pytest.raises(PublishError, match="WRONGTYPE"):
            publisher.flush()
        client.delete(binding)
        publisher.publish(Message(b"1", {}), Destination.of(queue), confirm=True)
        assert client.scard(binding) == 1


def test_threads_that_wait_for_one_that_cannot_connect_fail_with_it(unique):
    away = Kit("redis", "redis://127.0.0.1:1/0")
    publisher = away.broker(publish_timeout=1.0, publish_retries=10).publisher()
    stencil = Stencil({"task": "t", "id": None}, {}, "application/json", "utf-8", "", unique("q"))
    taken, ready = [], threading.Barrier(5)

    def publish():
        ready.wait()
        begun = time.monotonic()
        with pytest.raises(OperationalError, match=r"127\.0\.0\.1:1"):
            publisher.publish_stencil(stencil, "id", "id", None, "()", "{}", b"")
        taken.append(time.monotonic() - begun)

    threads = [threading.Thread(target=publish) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 5
    assert max(taken) < 1.5


class TestReader:
    """Its thread goes on, whatever happens."""

    @pytest.fixture
    def kit(self, line):
        made = Kit("redis", line.url)
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
        kit.publisher.publish(Message(b"1", {}), Destination.of(queue))

    def test_a_callback_that_raises_harms_nobody_else(self, kit, queue, line, caplog):
        self.leave_one_unconfirmed(kit, queue, line)

        def fail(_):
            raise RuntimeError("a callback of the user")

        kit.publisher.on_confirmed(fail)
        first = told(kit.publisher)
        line.deaf = False
        line.cut()
        assert first.wait(5)
        kit.publisher.publish(Message(b"2", {}), Destination.of(queue))
        assert told(kit.publisher).wait(5)
        assert "a callback of the user" in caplog.text

    def test_bytes_that_are_not_resp_are_a_lost_connection(self, kit, queue, line):
        self.leave_one_unconfirmed(kit, queue, line)
        confirmed = told(kit.publisher)
        line.deaf = False
        line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert confirmed.wait(5)
        assert kit.length(queue) == 1

    def test_an_answer_that_nobody_asked_for_is_a_lost_connection(self, kit, queue, line):
        self.leave_one_unconfirmed(kit, queue, line)
        line.deaf = False
        line.say(b":1\r\n:2\r\n:3\r\n")
        assert told(kit.publisher).wait(5)
        kit.publisher.publish(Message(b"2", {}), Destination.of(queue))
        assert told(kit.publisher).wait(5)
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
        kit = Kit("redis", line.url, transport={"credential_provider": provider})
        queue = kit.queue()
        kit.publisher.declare(queue)
        kit.publisher.flush()
        self.leave_one_unconfirmed(kit, queue, line)
        confirmed = told(kit.publisher)
        provider.fails = True
        line.deaf = False
        line.cut()
        assert provider.asked.wait(5)
        provider.fails = False
        assert confirmed.wait(5)
        kit.close()
