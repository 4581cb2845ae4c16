import asyncio
from types import SimpleNamespace

import pytest

from umbel import Queue, Umbel
from umbel.errors import ImproperlyConfigured
from umbel.worker import worker as worker_module
from umbel.worker.options import WorkerOptions
from umbel.worker.seating import PreforkSeating
from umbel.worker.window import Rate
from umbel.worker.worker import Worker


def worker(conf=(), **options):
    app = Umbel("proj", broker="memory://", set_as_current=False, **dict(conf))
    return Worker(app, WorkerOptions(hostname="w1@host", **options))


def test_a_worker_reads_all_queues_or_those_it_is_told():
    conf = {"task_queues": [Queue("a"), Queue("b")]}
    assert [queue.name for queue in worker(conf).queues()] == ["a", "b"]
    assert [queue.name for queue in worker(conf, queues=("b",)).queues()] == ["b"]
    assert [queue.name for queue in worker(conf, exclude=("b",)).queues()] == ["a"]


def test_a_queue_of_the_workers_own_has_celerys_names():
    *_, own = worker({"worker_direct": True}, queues=("a",)).queues()
    assert (own.name, own.exchange.name, own.exchange.type, own.routing_key) == ("w1@host.dq2", "C.dq2", "direct", "w1@host")


def rate(value):
    one = Rate(0.0)
    one.value = value
    return one


def assembled(made):
    async def windows():
        made._assemble(PreforkSeating(made.options, "", "w1@host"))
        made.dispatcher = SimpleNamespace(early=1)
        return made._window(rate(1000.0))

    return asyncio.run(windows())


def test_without_prefetching_what_runs_acknowledged_takes_a_slot():
    assert assembled(worker(concurrency=3)) > 3
    assert assembled(worker(concurrency=3, prefetch_multiplier=2)) == 6
    assert assembled(worker(concurrency=3, prefetch_multiplier=2, disable_prefetch=True)) == 2
    assert assembled(worker({"worker_disable_prefetch": True}, concurrency=3)) == 2


def test_what_passes_through_to_the_delayed_store_gets_room():
    async def windows():
        made = worker(concurrency=2)
        made._assemble(PreforkSeating(made.options, "", "w1@host"))
        seen = []
        for moving, postponed in ((0, 0), (3, 0), (0, 40), (0, 40), (0, 90_040), (500, 90_040)):
            made.intake.moving, made.intake.postponed = moving, postponed
            seen.append(made._window(rate(0.0)))
        return seen

    assert asyncio.run(windows()) == [2, 8, 82, 2, 1002, 1002]


def test_rate_limits_that_nobody_keeps_are_named_once(caplog):
    made = worker()
    made.app.task(rate_limit="1/m", name="mail")(print)
    made.app.task(name="free")(print)
    assembled(made)
    (told,) = [record.getMessage() for record in caplog.records if "Rate limits" in record.getMessage()]
    assert told.endswith(": mail")


def test_rate_limits_that_were_switched_off_are_not_missed(caplog):
    made = worker({"worker_disable_rate_limits": True, "task_default_rate_limit": "5/s"})
    assembled(made)
    assert not [record for record in caplog.records if "Rate limits" in record.getMessage()]
    told = worker({"task_default_rate_limit": "5/s"})
    told.app.task(name="mail")(print)
    assembled(told)
    assert [record for record in caplog.records if "(rate_limit, task_default_rate_limit): " in record.getMessage()]


def test_a_worker_without_children_is_refused():
    with pytest.raises(ImproperlyConfigured, match="concurrency must be at least 1, got -1"):
        worker(concurrency=-1)


def test_a_warm_stop_does_not_wait_for_a_store_that_stays_away(monkeypatch, caplog):
    """Tasks that run are waited for; what has ended, and whose result cannot be stored, goes back."""
    monkeypatch.setattr(worker_module, "_COMMIT_PATIENCE", 0.0)
    looks = iter([True, True, True, False])

    class Dispatcher:
        is_done, outstanding, left = False, 2, 4

        @property
        def is_running(self):
            self.left -= 1
            return next(looks)

    async def drain():
        made = worker()
        made._wake = asyncio.Event()
        made.dispatcher, made.limits = Dispatcher(), SimpleNamespace(look=lambda now: None)
        await made._drain()
        return made

    made = asyncio.run(drain())
    assert made._is_cold
    assert made.dispatcher.left == 0
    assert "2 tasks have ended" in caplog.text
