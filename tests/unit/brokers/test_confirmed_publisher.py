"""The waiting and telling that all confirmed publishers share, over a broker that answers when it is told to."""

import logging
import threading

import pytest

from umbel.brokers.base import BrokerOptions
from umbel.brokers.confirmed_publisher import ConfirmedPublisher
from umbel.brokers.confirms.receipts import WouldBlock
from umbel.brokers.topology import Destination, Queue
from umbel.errors import AccessRefused, OperationalError, PublishError
from umbel.wire.message import Message

HERE = Destination("", "here")


class Scripted(ConfirmedPublisher[bytes]):
    """Takes an answer from ``answers`` at each look: ``True``, or why a message is refused."""

    def __init__(self, answers=(), **options):
        self.answers = list(answers)
        self.connected = True
        self.expecting = 0
        super().__init__(BrokerOptions(urls=("scripted://",), **options), lambda item: ("a.task", item.decode()))

    def forget(self):
        self._reset()

    def declare(self, queue: Queue):
        pass

    def _send(self, message, to, started, deadline, *, is_confirmed=False):
        with self._lock:
            if is_confirmed and self._at_once:
                raise WouldBlock
            self._failure.raise_since(started)
            self._window.add(message.body, len(message.body))

    def _send_many(self, messages):
        count = 0
        for count, (message, to) in enumerate(messages, 1):
            self._send(message, to, 0.0, 0.0)
        return count

    def _take_answers(self, deadline):
        if not self.answers:
            return ": it is gone"
        answer = self.answers.pop(0)
        self._window.confirm_next() if answer is True else self._window.refuse_next(answer)
        return ""

    def _wait_for_answers(self, seconds):
        assert seconds > 0

    def _unanswered(self, cause):
        return OperationalError(f"{len(self._window)} are not confirmed{cause}")

    def _disconnect(self):
        self.connected = False

    def _expect_answers(self):
        self.expecting += 1


def message(body=b"x"):
    return Message(body, {})


def test_a_confirmed_publish_returns_with_its_answer():
    publisher = Scripted([True])
    publisher.publish(message(), HERE, confirm=True)
    assert not publisher._window


def test_a_refusal_is_raised_in_the_call_that_asked():
    publisher = Scripted([True, PublishError("no"), True])
    publisher.publish(message(b"1"), HERE)
    with pytest.raises(PublishError, match="no"):
        publisher.publish(message(b"2"), HERE, confirm=True)
    publisher.publish(message(b"3"), HERE)
    publisher.flush()


def test_a_refusal_that_nobody_asked_for_is_raised_by_the_flush(caplog):
    publisher = Scripted([PublishError("no"), True])
    publisher.publish_many([(message(b"1"), HERE), (message(b"2"), HERE)])
    with pytest.raises(PublishError, match="no"):
        publisher.flush()
    publisher.flush()
    assert "a message was not taken: no" in caplog.text


def test_many_are_waited_for_together():
    publisher = Scripted([True, PublishError("no"), PublishError("no")])
    with pytest.raises(PublishError, match="and 1 more"):
        publisher.publish_many([(message(b"%d" % number), HERE) for number in range(3)], confirm=True)
    assert publisher.publish_many([], confirm=True) == 0


def test_what_is_not_confirmed_in_time_is_an_error_that_says_why():
    publisher = Scripted()
    with pytest.raises(OperationalError, match="1 are not confirmed: it is gone"):
        publisher.publish(message(), HERE, confirm=True, timeout=0.0)


def test_where_nothing_may_wait_a_held_lock_blocks():
    publisher, held, let_go = Scripted([True]), threading.Event(), threading.Event()

    def hold():
        with publisher._lock:
            held.set()
            let_go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(WouldBlock), publisher.receipt(wait=False):
        pass
    let_go.set()
    thread.join()
    with publisher.receipt(wait=False) as receipt:
        publisher.publish(message(), HERE)
        with pytest.raises(WouldBlock):
            publisher.publish(message(), HERE, confirm=True)
    assert publisher.expecting == 1
    publisher.flush()
    assert receipt.is_settled
    assert not publisher._at_once


def test_connecting_is_tried_as_often_as_the_call_may():
    publisher, tried = Scripted(publish_retries=2), []

    def fail(error):
        tried.append(error)
        raise error

    with pytest.raises(OperationalError, match="gone"), publisher.retrying(1):
        publisher._try_to_connect(lambda: fail(OperationalError("gone")), float("inf"))
    assert len(tried) == 2
    with pytest.raises(OperationalError, match="gone"):
        publisher._send(message(), HERE, 0.0, 0.0)  # it came before the failure
    with pytest.raises(AccessRefused):
        publisher._try_to_connect(lambda: fail(AccessRefused("who are you?")), float("inf"))
    assert len(tried) == 3, "who is not let in is not let in the next time"
    assert publisher._try_to_connect(lambda: "connected", float("inf")) == "connected"
    assert not publisher._failure.is_since(0.0)


def test_the_end_of_the_interpreter_flushes_and_says_what_may_be_lost(caplog):
    quiet = Scripted()
    quiet.at_exit()
    assert quiet.connected, "there is nothing to say goodbye for"
    publisher = Scripted([True])
    publisher.publish(message(), HERE)
    publisher.at_exit()
    assert not publisher.connected
    lost = Scripted(publish_timeout=0.0)
    lost.publish(message(), HERE)
    with caplog.at_level(logging.ERROR):
        lost.at_exit()
    assert "messages may be lost at exit: 1 are not confirmed" in caplog.text
    lost.close()
