"""Signed and encrypted messages on every broker: what is not signed, was changed or came before does not run; all else does, however long it takes."""

from __future__ import annotations

import base64
from copy import deepcopy
from typing import Any

from system.conftest import ONE_BROKER
from system.processes import eventually, open_gate
from system.stage import Stage
from system.workload import make_app
from umbel.brokers.base import DEAD_REASON
from umbel.wire.message import Message
from umbel.wire.signing import ENCRYPTED, SEAL

KEYS = {letter: f"hmac-sha256:{base64.b64encode(letter.encode() * 32).decode()}" for letter in "ab"}
SETTINGS: dict[str, Any] = {
    "message_keys": KEYS,
    "message_encryption_keys": {"e": f"aes-256-gcm:{base64.b64encode(b'e' * 32).decode()}"},
    "worker_send_task_events": False,
}


def taken(stage: Stage) -> Message:
    """The message that waits in the queue, taken out, as whoever can read the broker would see it."""
    client = stage.broker.queue_client()
    try:
        delivery = eventually(lambda: client.get(stage.queue), 30, "a message")
        client.ack(delivery)
    finally:
        client.close()
    return Message(delivery.body, dict(delivery.headers), delivery.content_type, delivery.content_encoding, _own(delivery.properties))


def _own(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in ("delivery_info", "delivery_tag", "body_encoding")}


def changed(message: Message, **headers: Any) -> Message:
    found = deepcopy(message)
    found.headers.update(headers)
    return found


def test_only_what_is_signed_and_new_runs_and_all_of_it_does(stage):
    stage.settings.update(SETTINGS)
    result = stage.send("mark", "secret words")
    message = taken(stage)
    assert message.content_type == ENCRYPTED
    assert b"secret words" not in message.body
    assert "secret words" not in str(message.headers)
    unsigned = changed(message)
    del unsigned.headers[SEAL]
    forged = [
        unsigned,
        changed(message, task="fail"),
        changed(message, id="other"),
        changed(message, retries=1),
        changed(message, eta="2020-01-01T00:00:00+00:00"),
        changed(message, ignore_result=None),
        changed(message, more="1"),
    ]
    other = deepcopy(message)
    other.body = other.body[:-1] + bytes([other.body[-1] ^ 1])
    for each in (*forged, other):
        stage.publish(each)
    worker = stage.worker("-c", "1", settings={"message_key": "b"})
    assert sorted(letter.headers[DEAD_REASON] for letter in stage.dead(count=8, timeout=60)) == ["bad_signature"] * 7 + ["unsigned"]
    assert stage.runs(result.id) == []
    assert result.state == "PENDING"  # a forgery does not end the task that it names
    stage.publish(message)
    assert result.get(timeout=60) is None or result.successful()
    assert len(stage.await_runs(result.id)) == 1
    stage.publish(message)
    stage.publish(message)
    assert [letter.headers[DEAD_REASON] for letter in stage.dead(count=2, timeout=60)] == ["replayed"] * 2
    assert len(stage.runs(result.id)) == 1
    # What a worker sends is signed, too: retries, delayed messages, links.
    assert stage.send("retry_until", 2).get(timeout=60) is not None
    assert stage.send("echo", 1, countdown=0.5).get(timeout=60) == [1]
    assert (stage.app.tasks["add"].s(1, 2) | stage.app.tasks["add"].s(3)).apply_async().get(timeout=60) == 6
    # Remote control is signed: whoever has no key is not heard.
    name = eventually(lambda: list(stage.app.control.inspect(timeout=2).ping() or ()), 30, "a reply")
    assert len(name) == 1
    stranger = make_app(stage.place.broker, None, {"control_exchange": stage.queue})
    try:
        stranger.control.broadcast("shutdown")
        eventually(lambda: "message is passed over" in worker.text(), 30, "a warning")
    finally:
        stranger.close()
    assert stage.app.control.ping(timeout=2, limit=1)


@ONE_BROKER
def test_what_takes_longer_than_the_window_runs_and_what_waited_longer_unseen_does_not(stage):
    stage.settings.update(SETTINGS, message_replay_window=4.0, lease_duration=2.0)
    late = stage.send("mark", "late")
    message = taken(stage)
    delayed = stage.send("mark", "delayed", countdown=6.0)
    gate = stage.gate()
    first = stage.worker("-c", "1")
    held = stage.send("wait_for", gate)
    stage.await_runs(held.id, timeout=60)
    assert stage.app.leases
    eventually(lambda: any("known" in name for name in _names(stage)), 60, "a note that it was in time")
    first.kill_group()
    second = stage.worker("-c", "1")
    stage.await_runs(held.id, 2, timeout=60)
    open_gate(gate)
    assert held.get(timeout=60) is not None or held.successful()
    assert delayed.get(timeout=60) is None or delayed.successful()
    stage.publish(message)
    assert [letter.headers[DEAD_REASON] for letter in stage.dead(timeout=60)] == ["outdated"]
    assert stage.runs(late.id) == []
    assert second.alive


def _names(stage: Stage) -> list[str]:
    import sqlite3

    with sqlite3.connect(stage.place.broker.removeprefix("sqlite:///")) as connection:
        return [str(row[0]) for row in connection.execute("SELECT name FROM umbel_leases")]
