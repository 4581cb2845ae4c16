from __future__ import annotations

from umbel.worker.monitoring.metrics import BOUNDS, MOST_NAMES, OTHER, TaskMetrics
from umbel.worker.tasks.events import TaskEvents
from unit.worker.stand_ins import entry, outcome


def counted():
    events = TaskEvents()
    return events, TaskMetrics(events)


def end(events, task, state="SUCCESS", runtime=0.0, started=1.0):
    events.endings[state].tell(task, outcome(1, state=state)._replace(runtime=runtime, started=started))


def test_ends_are_counted_by_task_queue_and_state():
    events, metrics = counted()
    for state in ("SUCCESS", "SUCCESS", "FAILURE", "RETRY", "IGNORED", "REJECTED"):
        end(events, entry(name="a"), state)
    assert metrics.ended == {
        ("a", "q", "SUCCESS"): 2,
        ("a", "q", "FAILURE"): 1,
        ("a", "q", "RETRY"): 1,
        ("a", "q", "IGNORED"): 1,
        ("a", "q", "REJECTED"): 1,
    }


def test_what_ends_without_a_child_is_counted_too():
    events, metrics = counted()
    delivery = entry(name="a").delivery
    events.failed_unreported.tell(delivery, ValueError())
    events.expired.tell(delivery)
    events.revoked.tell(delivery, None)
    events.dead_lettered.tell(delivery, "poison", "it kills")
    assert metrics.ended == {("a", "q", "FAILURE"): 1, ("a", "q", "EXPIRED"): 1, ("a", "q", "REVOKED"): 1}
    assert metrics.dead_lettered == {"poison": 1}


def test_a_message_whose_task_is_no_text_is_counted():
    events, metrics = counted()
    task = entry(name="a")
    task.delivery.headers["task"] = {"no": "text"}
    events.expired.tell(task.delivery)
    assert metrics.ended == {(OTHER, "q", "EXPIRED"): 1}


def test_run_times_fall_into_classes_with_their_bounds_inside():
    events, metrics = counted()
    for runtime in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, 1e9):
        end(events, entry(name="a"), runtime=runtime)
    end(events, entry(name="a"), "FAILURE", started=0.0)  # its code never began
    assert metrics.run_times["a"].counts == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
    assert metrics.run_times["a"].total > 1e9 - 1


def test_redeliveries_are_counted():
    events, metrics = counted()
    events.received.tell(entry())
    again = entry()
    again.delivery.redelivered = True
    events.received.tell(again)
    assert metrics.redelivered == {"q": 1}


def test_memory_does_not_grow_with_names():
    events, metrics = counted()
    for number in range(MOST_NAMES + 50):
        end(events, entry(name=f"t{number}"))
    end(events, entry(name="t0"))
    assert len(metrics.ended) == MOST_NAMES + 1
    assert metrics.ended[OTHER, OTHER, "SUCCESS"] == 50
    assert metrics.ended["t0", "q", "SUCCESS"] == 2
    assert len(metrics.run_times) == MOST_NAMES + 1
    assert sum(metrics.run_times[OTHER].counts) == 50
