from __future__ import annotations

import pytest

from umbel import Umbel
from umbel.brokers.topology import Destination, Queue
from umbel.cli.doctor.servers import check_queues, look_over, send_round
from umbel.clients.finding import Level
from umbel.errors import OperationalError
from umbel.wire.message import Message


@pytest.fixture
def broker(tmp_path):
    app = Umbel("doctor", broker=f"sqlite:///{tmp_path}/u.db", set_as_current=False)
    yield app.broker
    app.close()


class Down:
    def checkup(self, subject):
        raise OperationalError("cannot connect")

    def queue_client(self):
        raise OperationalError("cannot connect")


def test_a_server_that_is_away_is_an_error_with_advice():
    (found,), reached = look_over(Down(), "redis://h", "broker")
    assert (found.level, found.text, reached) == (Level.ERROR, "cannot connect", False)
    assert "redis://h" in found.advice


def test_what_cannot_look_itself_over_is_passed_over():
    (found,), reached = look_over(object(), "x://h", "broker")
    assert (found.level, reached) == (Level.OK, True)


def test_a_message_goes_round_and_leaves_nothing(broker):
    (found,) = send_round(broker)
    assert found.level is Level.OK
    assert "is confirmed in" in found.text


def test_no_message_goes_round_where_nothing_answers():
    (found,) = send_round(Down())
    assert found.level is Level.ERROR


def test_queues_that_nobody_reads_and_dead_letters(broker):
    client = broker.queue_client()
    for name in ("q", "q.dead", "r"):
        client.declare(Queue(name))
    for name in ("q", "q.dead"):
        broker.publisher().publish(Message(b"[]", {"id": "1", "task": "t"}), Destination("", name), confirm=True)
    texts = [each.text for each in check_queues(broker, ["q", "r"], ["r"])]
    assert texts == ["1 message waits in q, which no worker reads", "1 dead letter of q"]
    assert [each.text for each in check_queues(broker, ["q"], None)] == ["1 dead letter of q"]
    assert [each.level for each in check_queues(broker, ["r"], ["r"])] == [Level.OK]
    assert list(check_queues(Down(), ["r"], None)) == []
    client.close()
