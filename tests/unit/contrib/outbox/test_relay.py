import logging
from contextlib import contextmanager

import pytest

from umbel.brokers.confirms.receipts import Receipt
from umbel.brokers.topology import Destination, Queue
from umbel.contrib.outbox.base import Row
from umbel.contrib.outbox.relay import Relay
from umbel.contrib.outbox.rows import render
from umbel.errors import MessageReturned, OperationalError, PublishError
from umbel.wire.message import Message


class ListTable:
    """An outbox in a list, of which it is told what becomes."""

    def __init__(self, *tasks):
        self.rows = dict(enumerate((self.row(task) for task in tasks), 1))
        self.refused = {}
        self.closed = False

    @staticmethod
    def row(task):
        return (
            Row(task, task, "rubbish", b"")
            if task == "broken"
            else render(Message(b"", {"id": task, "task": task}), Destination("", "q", Queue("q")))
        )

    @contextmanager
    def batch(self, most):
        self.taken = list(self.rows.items())[:most]
        yield Taken(self) if self.taken else None

    def close(self):
        self.closed = True


class Taken:
    def __init__(self, table):
        self.table, self.rows = table, table.taken

    def done(self, numbers):
        for number in numbers:
            del self.table.rows[number]

    def refuse(self, number, reason):
        self.table.refused[self.table.rows.pop(number).task] = reason


class Broker:
    """Takes messages, but for those whose task has a fate."""

    def __init__(self, **fates):
        self.fates, self.sent, self.flushing = fates, [], None

    @contextmanager
    def receipt(self):
        self.open = Receipt()
        yield self.open
        self.open.seal()

    def publish(self, message, to):
        fate = self.fates.get(message.headers["task"])
        if fate is not None and fate[0] == "call":
            raise fate[1]
        self.sent.append(message.headers["task"])
        self.open.add()
        if fate != ("never",):
            self.open.settle(fate[1] if fate else None)

    def flush(self):
        if self.flushing:
            raise self.flushing


def relay(table, broker):
    return Relay(table, lambda: broker, "outbox")


def test_all_are_published_in_order_and_dropped():
    table, broker = ListTable("a", "b", "c"), Broker()
    assert relay(table, broker).drain() == 3
    assert (broker.sent, table.rows) == (["a", "b", "c"], {})


@pytest.mark.parametrize("fate", [("call", MessageReturned("no queue")), ("later", MessageReturned("no queue", permanent=True))])
def test_what_is_refused_for_good_is_put_aside_and_the_others_go_on(fate, caplog):
    table, broker = ListTable("a", "b", "broken", "c"), Broker(b=fate)
    with caplog.at_level(logging.ERROR):
        assert relay(table, broker).drain() == 4
    assert table.rows == {}
    assert table.refused.keys() == {"b", "broken"}
    assert table.refused["b"] == "MessageReturned: no queue"
    assert "Task b[b] is refused" in caplog.text


@pytest.mark.parametrize("fate", [("call", OperationalError("away")), ("later", PublishError("a full queue", permanent=False)), ("never",)])
def test_what_the_broker_does_not_take_now_stays(fate):
    table, broker = ListTable("a", "b"), Broker(b=fate)
    if fate == ("never",):
        broker.flushing = OperationalError("no confirm")
    with pytest.raises(OperationalError):
        relay(table, broker).work()
    assert [row.task for row in table.rows.values()] == ["b"]


def test_nothing_overtakes_a_message_that_could_not_be_sent():
    table, broker = ListTable("a", "b"), Broker(a=("call", OperationalError("away")))
    with pytest.raises(OperationalError):
        relay(table, broker).work()
    assert broker.sent == []
    assert len(table.rows) == 2


def test_it_runs_until_it_is_told_to_stop_and_says_once_that_the_broker_is_away(caplog):
    class Recovering(Broker):
        left = 2

        def publish(self, message, to):
            if self.left:
                self.left -= 1
                raise OperationalError("away")
            super().publish(message, to)
            one.stop()

    table = ListTable("a")
    one = relay(table, Recovering())
    with caplog.at_level(logging.WARNING):
        one.run()
    assert (table.rows, table.closed) == ({}, True)
    assert caplog.text.count("is tried again: away") == 1
    assert "relayed again" in caplog.text
