from __future__ import annotations

import asyncio
import threading

import pytest

from umbel import Queue, Service, Umbel
from umbel.errors import ImproperlyConfigured
from umbel.runtime.host.machine import processors
from umbel.worker.options import WorkerOptions
from umbel.worker.slots.prefetch import Prefetch
from umbel.worker.worker import Worker


def worker(conf=(), **options):
    app = Umbel("proj", broker="memory://", set_as_current=False, **dict(conf))
    return Worker(app, WorkerOptions(hostname="w1@host", **options))


def run(made, until_ready=lambda made: None):
    """Run a worker in a thread until it is ready; returns its exit code, or what `run` raised."""
    ended = []

    def live():
        try:
            ended.append(made.run())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    assert made.is_ready.wait(20)
    until_ready(made)
    made.request_stop()
    thread.join(20)
    assert not thread.is_alive()
    return ended[0]


def test_a_worker_reads_all_queues_or_those_it_is_told():
    conf = {"task_queues": [Queue("a"), Queue("b")]}
    assert [queue.name for queue in worker(conf).queues()] == ["a", "b"]
    assert [queue.name for queue in worker(conf, queues=("b",)).queues()] == ["b"]
    assert [queue.name for queue in worker(conf, exclude=("b",)).queues()] == ["a"]


def test_as_many_tasks_at_a_time_as_processors(caplog):
    caplog.set_level("INFO", "umbel.worker")
    for made in (worker({"worker_concurrency": "AUTO"}), worker(concurrency="auto")):
        assert made.concurrency == processors()
        assert f"worker_concurrency='auto' resolved to {processors()} (pool=prefork)" in caplog.text
    with pytest.raises(ImproperlyConfigured, match="worker_concurrency: expected whole number, at least 0, or auto"):
        worker({"worker_concurrency": "many"})


def test_a_queue_of_the_workers_own_has_celerys_names():
    *_, own = worker({"worker_direct": True}, queues=("a",)).queues()
    assert (own.name, own.exchange.name, own.exchange.type, own.routing_key) == ("w1@host.dq2", "C.dq2", "direct", "w1@host")


def test_a_worker_is_complete_when_it_is_made():
    made = worker(pool="solo")
    before = set(vars(made))
    assert run(made) == 0
    assert set(vars(made)) == before
    assert len(before) <= 12


def test_services_of_the_apps_own_come_last_and_stop_first():
    calls = []

    class Watch(Service):
        def __init__(self, worker):
            super().__init__()
            self.worker = worker

        async def begin(self):
            calls.append(("begin", self.worker.is_ready.is_set(), len(self.worker.parts.dispatcher.children)))

        async def end(self):
            calls.append(("end", self.worker.is_ready.is_set(), self.worker.services.services[4].started))

    app = Umbel("proj", broker="memory://", set_as_current=False)
    app.worker_services.append(Watch)
    assert run(Worker(app, WorkerOptions(pool="solo"))) == 0
    assert calls == [("begin", False, 1), ("end", True, True)]


def test_the_death_of_a_service_ends_the_worker_in_order(caplog):
    class Dying(Service):
        def __init__(self, _worker):
            super().__init__()

        async def begin(self):
            asyncio.get_running_loop().call_later(0.05, self.die, RuntimeError("out of luck"))

    app = Umbel("proj", broker="memory://", set_as_current=False)
    app.worker_services.append(Dying)
    made = Worker(app, WorkerOptions(pool="solo"))
    assert run(made, lambda made: _wait_for(lambda: made.stopping.is_requested)) == 1
    assert "Dying has failed: RuntimeError: out of luck" in caplog.text
    assert not any(service.started for service in made.services.services)


def test_a_service_that_dies_while_the_worker_stops_does_not_make_that_cold():
    class Dying(Service):
        def __init__(self, _worker):
            super().__init__()

        async def end(self):
            self.die(RuntimeError("too late"))

    app = Umbel("proj", broker="memory://", set_as_current=False)
    app.worker_services.append(Dying)
    made = Worker(app, WorkerOptions(pool="solo"))
    run(made)
    assert not made.stopping.is_cold


def test_a_service_that_cannot_begin_ends_the_worker():
    class Broken(Service):
        def __init__(self, _worker):
            super().__init__()

        async def begin(self):
            raise RuntimeError("no such port")

    app = Umbel("proj", broker="memory://", set_as_current=False)
    app.worker_services.append(Broken)
    made = Worker(app, WorkerOptions(pool="solo"))
    with pytest.raises(RuntimeError, match="no such port"):
        made.run()
    assert not any(service.started for service in made.services.services)


def _wait_for(condition):
    moment = threading.Event()
    while not condition():
        moment.wait(0.005)


def test_tasks_that_are_registered_after_it_was_made_are_known():
    made = worker(pool="solo")
    made.app.task(name="late")(print)
    run(made)
    assert "late" in made._policies


def test_a_rate_limit_that_is_none_is_refused():
    made = worker(pool="solo")
    made.app.task(rate_limit="fast", name="mail")(print)
    with pytest.raises(ImproperlyConfigured, match="task mail: rate_limit must be a rate such as 10, '10/s', '100/m' or '5/h', got 'fast'"):
        asyncio.run(made.main())


def test_a_limit_on_all_workers_that_nothing_can_keep_is_refused():
    made = worker({"backend": "rpc://", "lease_store": "amqp://h//"}, pool="solo")
    made.app.task(concurrency_limit=3, name="mail")(print)
    with pytest.raises(ImproperlyConfigured, match="task mail has a concurrency_limit: no lease store for amqp:// URLs"):
        asyncio.run(made.main())


def test_a_common_rate_without_a_lease_store_is_refused():
    made = worker({"backend": "rpc://", "lease_store": "amqp://h//"}, pool="solo")
    made.app.task(rate_limit=3, rate_limit_scope="global", name="mail")(print)
    with pytest.raises(ImproperlyConfigured, match="task mail has a rate_limit_scope of 'global': no lease store for amqp:// URLs"):
        asyncio.run(made.main())


def test_ids_to_revoke_are_text():
    made = worker(pool="solo")
    made.revoke("a")
    made.revoke(["b", "c"])
    assert sorted(made.parts.revoking.ids) == ["a", "b", "c"]
    with pytest.raises(TypeError, match="task ids are text, got 3"):
        made.revoke(["d", 3])


def test_a_worker_without_children_is_refused():
    with pytest.raises(ImproperlyConfigured, match="concurrency must be at least 1, or 'auto', got -1"):
        worker(concurrency=-1)


def test_a_pool_that_there_is_not_is_refused():
    with pytest.raises(ImproperlyConfigured, match="no pool named 'swimming'"):
        worker(pool="swimming")


def test_children_that_could_not_find_the_app_are_not_started():
    made = worker()

    @made.app.task(name="proj.inner")
    def inner(): ...

    with pytest.raises(ImproperlyConfigured, match=r"children cannot find the app, .* the task proj\.inner"):
        made.run()


def test_the_window_follows_the_settings():
    def prefetch(made):
        (one,) = [service for service in made.services.services if isinstance(service, Prefetch)]
        one.rate.value = 1000.0
        return one.window()

    assert prefetch(worker(concurrency=3)) > 3
    assert prefetch(worker(concurrency=3, prefetch_multiplier=2)) == 6
    assert prefetch(worker(concurrency=3, prefetch_multiplier=2, disable_prefetch=True)) == 3
    assert prefetch(worker({"worker_disable_prefetch": True}, concurrency=3)) == 3
