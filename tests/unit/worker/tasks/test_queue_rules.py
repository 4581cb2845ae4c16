"""The rules of queues, applied to tasks."""

from umbel.brokers.base import Delivery
from umbel.brokers.topology import Broadcast, Queue
from umbel.execution.policy import TaskPolicy
from umbel.worker.tasks.queue_rules import QueueRules
from umbel.worker.tasks.reserved import ReservedTask


def task_from(queue):
    delivery = Delivery(b"", {}, "application/json", "utf-8", {}, 1, 1, queue.name, "all", "celery")
    return ReservedTask(delivery, "t", "id", TaskPolicy(name="t"), None, None)


def test_most_queues_have_none():
    rules = QueueRules([Queue("a"), Queue("b", auto_delete=True)])
    assert not rules
    rules.add(Queue("c", no_ack=True))
    assert rules


def test_a_broadcast_is_tried_again_by_the_worker_alone():
    mine, other = Broadcast("all"), Queue("other")
    tasks = [task_from(mine), task_from(other)]
    QueueRules([mine, other]).apply(tasks)
    assert [(task.delivery.exchange, task.delivery.routing_key) for task in tasks] == [("", mine.name), ("all", "celery")]


def test_what_may_be_lost_is_acknowledged_before_it_runs():
    loose, other = Queue("loose", no_ack=True), Queue("other")
    tasks = [task_from(loose), task_from(other)]
    QueueRules([loose, other]).apply(tasks)
    assert [task.early for task in tasks] == [True, False]
