"""How often a publisher tries to reach a broker that is not there."""

import socket
import time

import pytest

from umbel.brokers.base import BrokerOptions
from umbel.brokers.registry import connect
from umbel.brokers.topology import Destination
from umbel.errors import OperationalError
from umbel.wire.message import Message


@pytest.fixture(params=["amqp", "redis"])
def publisher(request):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: every attempt is refused at once
        broker = connect(
            BrokerOptions(urls=(f"{request.param}://127.0.0.1:{nobody.getsockname()[1]}/",), publish_retries=3, publish_timeout=0.6)
        )
        yield broker.publisher()
        broker.close()


def seconds_to_fail(publisher):
    started = time.monotonic()
    with pytest.raises(OperationalError):
        publisher.publish(Message(b"", {}), Destination("", "celery"))
    return time.monotonic() - started


def test_a_call_that_must_not_retry_fails_at_the_first_attempt(publisher):
    with publisher.retrying(0):
        assert seconds_to_fail(publisher) < 0.04
    assert seconds_to_fail(publisher) > 0.05
