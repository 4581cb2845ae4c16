from umbel.brokers.amqp.subscriptions import Subscriptions
from umbel.brokers.topology import Queue

QUEUES = {"a": Queue("a"), "b": Queue("b")}


def begin(subscriptions, queues, window, *, per_consumer):
    found = [(queue.name, prefetch) for queue, prefetch in subscriptions.to_begin(queues, window, per_consumer=per_consumer)]
    for number, (name, prefetch) in enumerate(found):
        subscriptions.begun(name, f"{name}-{number}-{prefetch}-{len(subscriptions.live.get(name, ()))}", prefetch)
    return found


def test_classic_queues_have_one_consumer_whatever_the_window():
    subscriptions = Subscriptions()
    assert begin(subscriptions, QUEUES, 5, per_consumer=False) == [("a", 5), ("b", 5)]
    assert begin(subscriptions, QUEUES, 9, per_consumer=False) == []
    assert subscriptions.to_cancel(QUEUES, 2, per_consumer=False) == []
    assert subscriptions.to_cancel(QUEUES, 0, per_consumer=False) == ["a", "b"]
    assert subscriptions.to_cancel({"a": QUEUES["a"]}, 2, per_consumer=False) == ["b"]


def test_a_queue_that_goes_with_its_last_consumer_keeps_it():
    queues = {"a": Queue("a", auto_delete=True), "b": Queue("b", arguments={"x-expires": 1000}), "c": Queue("c")}
    subscriptions = Subscriptions()
    begin(subscriptions, queues, 5, per_consumer=False)
    assert subscriptions.to_cancel(queues, 0, per_consumer=False) == ["c"]
    assert subscriptions.to_cancel({}, 5, per_consumer=False) == ["a", "b", "c"]


def test_a_quorum_queue_grows_by_one_more_consumer():
    subscriptions, queues = Subscriptions(), {"a": QUEUES["a"]}
    assert begin(subscriptions, queues, 2, per_consumer=True) == [("a", 2)]
    assert subscriptions.to_cancel(queues, 5, per_consumer=True) == []
    assert begin(subscriptions, queues, 5, per_consumer=True) == [("a", 3)]
    assert begin(subscriptions, queues, 5, per_consumer=True) == []


def test_it_shrinks_as_its_deliveries_are_settled():
    subscriptions, queues = Subscriptions(), {"a": QUEUES["a"]}
    begin(subscriptions, queues, 5, per_consumer=True)
    assert subscriptions.to_cancel(queues, 2, per_consumer=True) == ["a"]
    subscriptions.cancelled("a", [1, 2, 3])
    assert begin(subscriptions, queues, 2, per_consumer=True) == []
    assert [subscriptions.settled("a", tag) for tag in (1, 2, 9)] == [True, True, False]
    assert begin(subscriptions, queues, 2, per_consumer=True) == [("a", 1)]
    subscriptions.settled("a", 3)
    assert subscriptions.left_over == {}
    assert begin(subscriptions, queues, 2, per_consumer=True) == [("a", 1)]


def test_a_consumer_that_the_broker_ended_begins_again():
    subscriptions = Subscriptions()
    begin(subscriptions, QUEUES, 1, per_consumer=False)
    (tag,) = subscriptions.live["a"]
    assert subscriptions.ended(tag) == "a"
    assert subscriptions.ended(tag) is None
    assert begin(subscriptions, QUEUES, 1, per_consumer=False) == [("a", 1)]


def test_too_many_consumers_become_one():
    subscriptions, queues = Subscriptions(), {"a": QUEUES["a"]}
    for window in range(1, 10):
        begin(subscriptions, queues, window, per_consumer=True)
    assert subscriptions.to_cancel(queues, 9, per_consumer=True) == ["a"]


def test_beside_a_quorum_queue_one_that_goes_with_its_last_consumer_keeps_all_it_has():
    queues = {"a": Queue("a", auto_delete=True), "b": Queue("b")}
    subscriptions = Subscriptions()
    begin(subscriptions, queues, 5, per_consumer=True)
    assert subscriptions.to_cancel(queues, 2, per_consumer=True) == ["b"]
    assert subscriptions.to_cancel(queues, 0, per_consumer=True) == ["b"]
    for window in range(6, 20):
        begin(subscriptions, queues, window, per_consumer=True)
    assert len(subscriptions.live["a"]) == 8


def test_a_stream_has_one_consumer_that_is_replaced_when_it_should_be_much_wider():
    queues = {"s": Queue("s", arguments={"x-queue-type": "stream"})}
    subscriptions = Subscriptions()
    assert begin(subscriptions, queues, 4, per_consumer=True) == [("s", 4)]
    assert begin(subscriptions, queues, 7, per_consumer=True) == []
    assert subscriptions.to_cancel(queues, 7, per_consumer=True) == []
    assert subscriptions.to_cancel(queues, 8, per_consumer=True) == ["s"]
    assert subscriptions.to_cancel(queues, 3, per_consumer=True) == ["s"]
