from types import SimpleNamespace

import pytest

from umbel.brokers.topology import Destination
from umbel.errors import AccessRefused, BrokerBlocked, EncodeError, MessageReturned, OperationalError, PublishError
from umbel.execution import model
from umbel.execution.model import Execution, Publish, Verdict
from umbel.pools import effects
from umbel.pools.effects import AppEffects
from umbel.results.model import Record
from umbel.testing.fakes import FakePublisher, FakeStore
from umbel.wire.message import Message


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(effects, "delays", lambda **_: iter([0.0] * 20))


def execution(count):
    messages = [Publish(Message(b"%d" % number, {}), Destination("", "celery")) for number in range(count)]
    return Execution(1, "id", "name", "SUCCESS", Verdict.ACK, effects=tuple(messages))


class Troubled(FakePublisher):
    """Fails to flush as often as told."""

    def __init__(self, *errors):
        super().__init__()
        self.errors = list(errors)

    def flush(self, timeout=None):
        if self.errors:
            raise self.errors.pop(0)


class Outbox:
    def tell_sent(self, message, to):
        """Nobody wants to know."""


def publish(publisher, count=2):
    ran = AppEffects(SimpleNamespace(publisher=publisher, store=None, outbox=Outbox())).publish(execution(count))
    return ran, [message.body for message, _ in publisher.sent]


def test_what_the_publisher_holds_is_not_published_again_while_it_waits_to_be_confirmed():
    assert publish(Troubled(OperationalError("gone"), OperationalError("still gone")))[1] == [b"0", b"1"]


def test_what_was_refused_is_published_again():
    assert publish(Troubled(PublishError("nack")))[1] == [b"0", b"1", b"0", b"1"]


def test_what_can_never_be_delivered_makes_a_dead_letter():
    ran, _ = publish(Troubled(MessageReturned("no queue")))
    assert (ran.verdict, ran.reason) == (Verdict.DEAD, "unroutable")


def test_what_is_refused_again_and_again_makes_a_dead_letter():
    ran, bodies = publish(Troubled(*[PublishError("404 no exchange")] * 20), 1)
    assert (ran.verdict, ran.reason) == (Verdict.DEAD, "refused")
    assert "404 no exchange" in ran.detail
    assert len(bodies) == 6


class Choosy(Troubled):
    """Cannot encode the first message."""

    def publish(self, message, to, **options):
        if message.body == b"0":
            raise EncodeError("the header 'x' is a set, which AMQP cannot carry")
        super().publish(message, to, **options)


def test_what_cannot_be_encoded_makes_a_dead_letter_and_the_rest_follows():
    ran, bodies = publish(Choosy(PublishError("nack")), 3)
    assert (ran.verdict, ran.reason) == (Verdict.DEAD, "unencodable")
    assert ran.detail == "what follows it cannot be encoded: the header 'x' is a set, which AMQP cannot carry"
    assert bodies == [b"1", b"2", b"1", b"2"]


def test_a_retry_that_cannot_be_sent_is_a_failure_for_who_waits():
    store, ran = FakeStore(), execution(1)
    ran = ran._replace(state="RETRY", effects=(model.Store(Record(task_id="id", status="RETRY")), *ran.effects))
    AppEffects(SimpleNamespace(publisher=Choosy(), store=store, outbox=Outbox())).publish(ran)
    (record,) = store.records
    assert (record.task_id, record.status, record.result["exc_type"]) == ("id", "FAILURE", "EncodeError")
    assert record.date_done


def test_a_broker_in_alarm_is_waited_for():
    ran, bodies = publish(Troubled(*[BrokerBlocked("memory")] * 12), 1)
    assert ran.verdict is Verdict.ACK
    assert bodies == [b"0"]


class Store(FakeStore):
    """Cannot write objects, and is away at the second try."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def store(self, records):
        self.calls += 1
        if any(isinstance(record.result, object) and type(record.result) is object for record in records):
            raise EncodeError("object")
        if self.calls == 2:
            raise OperationalError("away")
        super().store(records)


def test_a_result_that_cannot_be_written_becomes_a_failure_though_the_store_is_away_meanwhile():
    store = Store()
    records = [Record(task_id="good", status="SUCCESS", result=1), Record(task_id="bad", status="SUCCESS", result=object())]
    AppEffects(SimpleNamespace(publisher=None, store=store)).store(records)
    assert {record.task_id: record.status for record in store.records} == {"good": "SUCCESS", "bad": "FAILURE"}


class SmallStore(FakeStore):
    """Refuses what is large."""

    def store(self, records):
        if any(len(str(record.result)) > 1000 for record in records):
            raise PublishError("406 too large")
        super().store(records)


def test_a_result_that_the_broker_does_not_take_becomes_a_failure():
    store = SmallStore()
    records = [Record(task_id="good", status="SUCCESS", result=1), Record(task_id="large", status="SUCCESS", result="x" * 2000)]
    AppEffects(SimpleNamespace(publisher=None, store=store)).store(records)
    assert {record.task_id: record.status for record in store.records} == {"good": "SUCCESS", "large": "FAILURE"}
    assert store.records[1].result["exc_type"] == "EncodeError"


class Refusing(FakeStore):
    """Refuses some records for good."""

    def __init__(self, error, *task_ids):
        super().__init__()
        self.error, self.task_ids, self.calls = error, task_ids, 0

    def store(self, records):
        self.calls += 1
        if any(record.task_id in self.task_ids for record in records):
            raise self.error
        super().store(records)


def test_a_result_that_is_refused_for_good_is_lost_loudly_and_the_child_goes_on(caplog):
    store = Refusing(OperationalError("WRONGTYPE", permanent=True), "bad")
    records = [Record(task_id=task_id, status="SUCCESS", result=1) for task_id in ("good", "bad", "better")]
    AppEffects(SimpleNamespace(publisher=None, store=store)).store(records)
    assert [record.task_id for record in store.records] == ["good", "better"]
    assert "the result of task bad (SUCCESS) is lost: WRONGTYPE" in caplog.text
    assert records[1].status == "SUCCESS", "its callbacks and handlers are those of a success"
    assert store.calls == 4


def test_a_store_that_refuses_us_is_asked_for_a_while_once():
    store = Refusing(AccessRefused("NOPERM"), "a", "b")
    effects = AppEffects(SimpleNamespace(publisher=None, store=store))
    effects.store([Record(task_id="a", status="SUCCESS")])
    first, store.calls = store.calls, 0
    effects.store([Record(task_id="b", status="SUCCESS")])
    assert first > 5
    assert store.calls == 2
    effects.store([Record(task_id="c", status="SUCCESS")])
    store.calls = 0
    effects.store([Record(task_id="a", status="SUCCESS")])
    assert store.calls > 5, "it took something meanwhile"
