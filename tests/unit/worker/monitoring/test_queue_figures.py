from __future__ import annotations

import threading

from umbel.brokers.base import Capabilities
from umbel.errors import OperationalError
from umbel.worker.monitoring.queue_figures import QueueFigures


class Client:
    def __init__(self, broker):
        self.broker = broker

    def length(self, name):
        return {"q": 3, "q.dead": None}.get(name)

    def delayed(self, name):
        return 2

    def close(self):
        self.broker.closed += 1


class Broker:
    capabilities = Capabilities()

    def __init__(self, *, fails=False):
        self.asked = self.closed = 0
        self.fails = fails
        self.go = threading.Event()
        self.go.set()

    def queue_client(self):
        self.asked += 1
        self.go.wait(10)
        if self.fails:
            raise OperationalError("down")
        return Client(self)


def test_the_broker_is_asked_once_for_a_while():
    broker = Broker()
    figures = QueueFigures(broker, lambda: ["q"], lambda: ["q"])
    assert figures() == figures() == {"q": (3, 2, 0, None, 1)}
    assert (broker.asked, broker.closed) == (1, 1)


def test_a_broker_that_is_down_gives_no_figures():
    assert QueueFigures(Broker(fails=True), lambda: ["q"], lambda: ["q"])() == {}


def test_a_broker_that_does_not_answer_is_not_waited_for_nor_asked_again(monkeypatch):
    monkeypatch.setattr("umbel.worker.monitoring.queue_figures._PATIENCE", 0.01)
    broker = Broker()
    broker.go.clear()
    figures = QueueFigures(broker, lambda: ["q"], lambda: ["q"])
    assert figures() == figures() == {}
    assert broker.asked == 1
    broker.go.set()
    assert figures._is_there.wait(10)
    assert figures() == {"q": (3, 2, 0, None, 1)}
