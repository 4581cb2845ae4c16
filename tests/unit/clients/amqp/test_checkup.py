from __future__ import annotations

from umbel.clients.amqp.checkup import check
from umbel.clients.finding import Level

CAN = {"publisher_confirms": True, "basic.nack": True, "consumer_cancel_notify": True}


def test_rabbitmq_is_fine():
    found = list(check({"product": "RabbitMQ", "version": "3.13.1", "capabilities": CAN}, "broker"))
    assert [each.text for each in found] == ["RabbitMQ 3.13.1 lets us in", "it confirms what is sent"]
    assert {each.level for each in found} == {Level.OK}


def test_what_a_broker_cannot_do_is_told():
    (_, found) = check({"capabilities": {**CAN, "publisher_confirms": False}}, "broker")
    assert found.level is Level.ERROR
    assert "publisher_confirms" in found.text


def test_a_greeting_without_capabilities_is_read():
    assert len(list(check({"capabilities": "none"}, "broker"))) == 4
