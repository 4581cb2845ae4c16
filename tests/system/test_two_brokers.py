"""A broker to read from and another one to send to (``broker_read_url``, ``broker_write_url``)."""

from __future__ import annotations

import contextlib

import pytest

from system.conftest import database
from system.processes import eventually
from system.stage import Place, Stage, open_broker

pytestmark = pytest.mark.redis


@pytest.fixture
def urls(request):
    """Two databases of Redis, or Redis and a virtual host of RabbitMQ, where the environment names one database for all."""
    first, second = database(request, 5), database(request, 6)
    return first, second if second != first else request.getfixturevalue("rabbitmq_url")


@pytest.fixture
def stage(urls, request, unique):
    front, back = urls
    stage = Stage(Place(name="two", broker=back, backend=database(request, 4)), unique("two"))
    try:
        yield stage
    finally:
        stage.close()
        look(front, lambda client: client.delete(stage.queue))


def look(url, work):
    with contextlib.closing(open_broker(url)) as broker, contextlib.closing(broker.queue_client()) as client:
        return work(client)


def test_a_worker_reads_from_one_and_everything_is_sent_to_the_other(stage, urls):
    front, back = urls

    def waiting():
        return [look(url, lambda client: client.length(stage.queue) or 0) for url in urls]

    stage.settings["broker_write_url"] = front
    result = (stage.app.signature("add", (1, 2)) | stage.app.signature("add", (10,))).apply_async()
    retried = stage.send("retry_until", 2, 0)
    assert waiting() == [2, 0]
    first = stage.worker("-c", "1", settings={"broker_read_url": front, "broker_write_url": back})
    assert result.parent.get(timeout=30) == 3
    eventually(lambda: waiting() == [0, 2])
    assert first.stop() == 0
    assert not result.ready()
    stage.worker("-c", "1", settings={"broker_write_url": None})
    assert (result.get(timeout=30), retried.get(timeout=30)) == (13, 2)
    assert waiting() == [0, 0]
