from contextlib import contextmanager

import pytest

from umbel import Umbel, group
from umbel.contrib.outbox.publisher import TransactionalPublisher
from umbel.contrib.outbox.rows import read
from umbel.errors import OperationalError
from umbel.wire.signing.seals import verify


class Transaction:
    """A transaction that is open while `opened`; rows that were written are in it."""

    def __init__(self):
        self.rows, self.is_open = [], False

    def writer(self):
        return self.rows.extend if self.is_open else None

    @contextmanager
    def opened(self):
        self.is_open = True
        yield
        self.is_open = False


@pytest.fixture
def transaction():
    return Transaction()


def app_with(transaction, broker):
    app = Umbel("shop", broker=broker, set_as_current=False, task_publish_retry=False, result_backend="disabled")
    app.connections.publish_through(lambda publisher: TransactionalPublisher(publisher, transaction.writer))

    @app.task(name="add")
    def add(x, y=0): ...

    return app, add


def test_while_a_transaction_is_open_the_broker_is_asked_for_nothing(transaction):
    app, add = app_with(transaction, "amqp://127.0.0.1:1//")
    with transaction.opened():
        ids = [add.delay(1).id, add.apply_async((2,), queue="fast", countdown=60).id, *(handle.id for handle in add.delay_many([3, 4]))]
        ids.append(app.send_task("elsewhere", (5,), confirm=True).id)
        ids += [handle.id for handle in group(add.s(6), add.s(7)).apply_async()]
    assert [row.task_id for row in transaction.rows] == ids
    addresses = [read(row)[1] for row in transaction.rows]
    assert [to.queue.name for to in addresses] == ["celery", "fast", *["celery"] * 5]
    with pytest.raises(OperationalError):
        add.delay(1)


def test_without_one_it_publishes_and_declares_what_was_left_over(transaction, tmp_path):
    app, add = app_with(transaction, f"sqlite:///{tmp_path}/umbel.db")
    with app, transaction.opened():
        add.delay(1)
        transaction.is_open = False
        add.delay(2)
        add.delay_many([3, 4])
        app.publisher.flush()
        client = app.broker.queue_client()
        assert client.length("celery") == 3
        client.close()
    assert len(transaction.rows) == 1


def test_a_coroutine_is_told_at_once(transaction):
    import asyncio

    app, add = app_with(transaction, "amqp://127.0.0.1:1//")
    with transaction.opened():
        assert asyncio.run(add.adelay(1)).id == transaction.rows[0].task_id
    app.outbox.close()


def test_calls_that_are_signed_are_signed_in_their_transaction_and_know_their_queue(transaction):
    app, add = app_with(transaction, "amqp://127.0.0.1:1//")
    app.conf.message_keys = {"k": "hmac-sha256:" + "A" * 44}
    with transaction.opened():
        add.delay(1)
        add.delay_many([2])
    found = [read(row) for row in transaction.rows]
    assert [to.queue.name for _, to in found] == ["celery", "celery"]
    assert all(verify(message, "celery", app.connections.key_ring).key == "k" for message, _ in found)
