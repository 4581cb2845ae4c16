"""A worker's façade over real parts, without a broker and without children's processes."""

from __future__ import annotations

from types import SimpleNamespace

from umbel.brokers.topology import Queue
from umbel.control.requests import Request
from umbel.execution.policy import policy_of
from umbel.testing.fakes import FakeApp
from umbel.worker.options import WorkerOptions
from umbel.worker.queues.pausing import Pausing
from umbel.worker.remote.facade import WorkerFacade
from umbel.worker.remote.service import RemoteControl
from umbel.worker.settings import WorkerSettings
from umbel.worker.stopping import StopRequest
from unit.worker.revoking.test_service import Stage
from unit.worker.stand_ins import FakeConsumer

NODE = "w1@golden"


class QueueingConsumer(FakeConsumer):
    """A consumer that knows its queues."""

    def __init__(self):
        super().__init__()
        self.queues = [Queue("celery")]

    async def add_queue(self, queue):
        self.queues.append(queue)

    async def cancel_queue(self, name):
        self.queues = [queue for queue in self.queues if queue.name != name]


class SizedPool:
    """A pool that remembers what it is told."""

    def __init__(self, slots=2):
        self.slots = slots
        self.restarts = 0

    def resize(self, slots):
        self.slots = slots

    def restart(self):
        self.restarts += 1


class FacadeBench:
    """The façade of one worker, the commands' answers, and what they have done."""

    def __init__(self, *, kills=True, **settings):
        self.app = FakeApp("tasks", **settings)

        @self.app.task(name="t")
        def job(): ...

        @self.app.task(name="other", max_retries=None, rate_limit="5/s")
        def other(): ...

        self.stage = Stage(kills=kills)
        self.stage.policies.update({name: policy_of(task, self.app.conf) for name, task in self.app.tasks.items()})
        self.consumer, self.pool, self.stopping = QueueingConsumer(), SizedPool(), StopRequest()
        self.stops = []
        parts = SimpleNamespace(
            index=self.stage.index,
            dispatcher=self.stage.dispatcher,
            intake=self.stage.intake,
            acknowledger=self.stage.acknowledger,
            rate_limits=self.stage.rate_limits,
            leases=SimpleNamespace(rates=self.stage.shared_rates),
            revoking=self.stage.service,
            pool=self.pool,
            consumer=self.consumer,
            pausing=Pausing(None, self.consumer, self.stage.dispatcher, self.stage.intake.holding, self.stage.spawn),
            totals=lambda: dict(self.stage.acknowledger.totals),
        )
        worker_settings = WorkerSettings.of(self.app, WorkerOptions(hostname=NODE, concurrency=2))
        prefetch = SimpleNamespace(allowed=10)
        self.state = WorkerFacade(
            self.app, worker_settings, parts, self.stage.policies, prefetch, self.stopping, lambda: self.stops.append(1)
        )
        self.service = RemoteControl(self.state, self.app.broker, None)

    async def ask(self, method, **arguments):
        """The answer to a request."""
        await self.stage.service.start()
        return await self.service.run(Request(method=method, arguments=arguments))

    @staticmethod
    def own(names):
        """The tasks that this bench has made, of names with attributes: other tests have shared theirs with every app."""
        return [name for name in names if name.partition(" ")[0] in {"other", "t"}]

    def run_first(self, *deliveries):
        """Take messages in; the first of them runs."""
        self.stage.dispatcher.add_child(self.stage.child)
        self.stage.intake.on_deliveries(list(deliveries))
        self.stage.child.begin(1, since=0.0)
