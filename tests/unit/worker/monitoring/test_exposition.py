from __future__ import annotations

import asyncio
import threading

from prometheus_client.parser import text_string_to_metric_families

from umbel.worker.monitoring.exposition import Exposition, Snapshot
from umbel.worker.monitoring.metrics import TaskMetrics
from umbel.worker.tasks.events import TaskEvents
from unit.worker.stand_ins import entry, outcome

FIGURES = {"running": 1, "reserved": 2, "waiting": 3, "slots": 4, "children": 2, "deaths": {"killed": 5}, "losses": 6, "is_connected": True}


def samples(answer):
    assert answer.status == 200
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found[sample.name, *(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def exposition(loop=None, queues=dict):
    events = TaskEvents()
    return events, Exposition(TaskMetrics(events), lambda: Snapshot(**FIGURES), queues, lambda: loop)


def test_tasks_are_shown_with_their_classes_of_run_times():
    events, shown = exposition()
    for runtime in (0.001, 0.02, 7.0):
        events.endings["SUCCESS"].tell(entry(name='a"\n'), outcome(1)._replace(runtime=runtime, started=1.0))
    events.endings["RETRY"].tell(entry(name="b"), outcome(1, state="RETRY")._replace(started=0.0))
    found = samples(shown.answer(""))
    assert found["umbel_tasks_total", "q", "SUCCESS", 'a"\n'] == 3
    assert found["umbel_task_retries_total", "q", "b"] == 1
    assert found["umbel_task_runtime_seconds_bucket", "0.005", 'a"\n'] == 1
    assert found["umbel_task_runtime_seconds_bucket", "0.025", 'a"\n'] == 2
    assert found["umbel_task_runtime_seconds_bucket", "+Inf", 'a"\n'] == found["umbel_task_runtime_seconds_count", 'a"\n'] == 3


def test_what_only_the_loop_knows_is_asked_of_it_and_left_out_where_it_does_not_answer():
    async def main():
        _, shown = exposition(asyncio.get_running_loop())
        found = samples(await asyncio.to_thread(shown.answer, ""))
        assert found["umbel_worker_utilization",] == 0.25
        assert found["umbel_tasks_waiting",] == 3
        assert found["umbel_child_deaths_total", "killed"] == 5
        assert found["umbel_broker_connection_losses_total",] == 6
        return shown

    shown = asyncio.run(main())
    assert ("umbel_slots",) not in samples(shown.answer(""))  # the loop is closed


def test_a_loop_that_stands_still_does_not_keep_a_scrape():
    async def main():
        _, shown = exposition(asyncio.get_running_loop())
        answers = []
        thread = threading.Thread(target=lambda: answers.append(shown.answer("")))
        thread.start()
        thread.join(10)  # on the loop: it stands still
        return answers

    (answer,) = asyncio.run(main())
    assert ("umbel_slots",) not in samples(answer)


def test_queues_are_shown_as_far_as_they_are_known():
    _, shown = exposition(queues=lambda: {"q": (1, None, 0, 2.5, 1), "r": (None, None, None, None, 0)})
    found = samples(shown.answer(""))
    assert found["umbel_queue_ready", "q"] == 1
    assert found["umbel_queue_dead", "q"] == 0
    assert found["umbel_queue_oldest_age_seconds", "q"] == 2.5
    assert (found["umbel_queue_paused", "q"], found["umbel_queue_paused", "r"]) == (1, 0)
    assert ("umbel_queue_oldest_age_seconds", "r") not in found
    assert ("umbel_queue_scheduled", "q") not in found
    assert ("umbel_queue_ready", "r") not in found
