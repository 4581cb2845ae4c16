import pytest

from contracts.kit import Kit, Sink, on_loop
from umbel.brokers.base import ConnectionState
from umbel.brokers.sqlite.consumer import SqliteConsumer


@pytest.fixture
def kit(tmp_path):
    made = Kit("sqlite", f"sqlite:///{tmp_path / 'umbel.db'}")
    yield made
    made.close()


@on_loop
async def test_an_error_that_nobody_expects_does_not_stop_it(kit, monkeypatch, caplog):
    queue, sink = kit.queue(), Sink()
    consumer = kit.main.consumer([queue], sink, window=10)
    works, once = SqliteConsumer._work, [ValueError("what nobody expects")]

    def work(self, connection):
        if once:
            raise once.pop()
        return works(self, connection)

    await consumer.start()
    monkeypatch.setattr(SqliteConsumer, "_work", work)
    kit.publish(queue, b"x")
    assert (await sink.one()).body == b"x"
    assert sink.states[-3:] == [ConnectionState.LOST, ConnectionState.RETRYING, ConnectionState.CONNECTED]
    assert "what nobody expects" in caplog.text
    await consumer.aclose()
