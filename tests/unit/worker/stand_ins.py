"""Children without processes, for the worker's pure parts."""

from umbel.brokers.base import Delivery
from umbel.execution.policy import TaskPolicy
from umbel.pools.base import Outcome
from umbel.pools.slot import Child
from umbel.runtime.signal_thread import SignalThread
from umbel.worker.tasks.acknowledging import Acknowledger, Consequences
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask


class FakeRow:
    """Plays a slot's row of the board."""

    def __init__(self):
        self.current, self.since, self.started, self.barrier = 0, 0.0, 0, 0

    def take_back(self, last):
        self.barrier = last
        return self.started


class FakeChild(Child):
    """Runs nothing; remembers what its slots were given, and plays its board."""

    pid = None

    def __init__(self, index=1, slots=1):
        self.rows = [FakeRow() for _ in range(slots)]
        super().__init__(index, self.rows)
        self.pid = 1000 + index
        self.is_ready = True
        self.sent_to = [[] for _ in range(slots)]
        self.killed = False
        self.interrupted = []

    @property
    def sent(self):
        """What the first slot was given, batch by batch."""
        return self.sent_to[0]

    def send(self, slot, jobs):
        self.sent_to[slot].append([job[0] for job in jobs])

    def begin(self, number, since=0.0, slot=0):
        row = self.rows[slot]
        row.current, row.since, row.started = number, since, number

    def interrupt(self, slot, number):
        self.interrupted.append(number)

    def kill(self):
        self.killed = True

    def quit(self):
        self.is_ready = False

    def close(self):
        pass


def task_policy(name="t", **options):
    return TaskPolicy(name=name, **options)


def entry(task_id="i", name="t", hard=None, soft=None, attempts=0, **options):
    delivery = Delivery(b"", {"task": name, "id": task_id}, "", "", {}, task_id, 0, "q", "", "q", False, attempts)
    return ReservedTask(delivery, name, task_id, task_policy(name, **options), hard, soft)


def outcome(number, runtime=0.00001, verdict=0, state="SUCCESS", slot=0):
    return Outcome(number, verdict, state, runtime, "", "", None, False, slot=slot)


class FakeConsumer:
    """Remembers settlements."""

    def __init__(self):
        self.acked, self.requeued, self.blamed, self.delayed, self.dead, self.begun = [], [], [], [], [], []
        self.windows, self.calls = [], []

    async def start(self, sink):
        self.calls.append("start")

    async def aclose(self):
        self.calls.append("aclose")

    def set_window(self, size):
        self.windows.append(size)

    def ack(self, deliveries):
        self.acked += [one.headers.get("id") for one in deliveries]

    def requeue(self, deliveries):
        self.requeued += [one.headers.get("id") for one in deliveries]

    async def blame(self, delivery):
        self.blamed.append(delivery.headers.get("id"))

    async def delay(self, moves):
        self.delayed += [(delivery.headers.get("id"), until) for delivery, until in moves]

    async def dead_letter(self, delivery, reason, detail):
        self.dead.append((delivery.headers.get("id"), reason))

    async def begin(self, delivery):
        self.begun.append(delivery.headers.get("id"))

    async def flush(self):
        pass


class FakeStore:
    """Remembers records; can be down for a while."""

    def __init__(self):
        self.records = []

    def store(self, records):
        self.records += records


def delivery(task_id="i", name="t", *, redelivered=False, attempts=0, flaw=None, body=b"[[], {}, {}]", **headers):
    headers = {"task": name, "id": task_id, "retries": 0, "timelimit": [None, None], **headers}
    return Delivery(body, headers, "application/json", "utf-8", {}, task_id, 0, "q", "", "q", redelivered, attempts, flaw)


async def _nothing_follows(_delivery, _error, _status):
    pass


async def _no_key(_delivery):
    raise AssertionError("it has none")


def acknowledger(consumer, store, spawn, *, leases=False, signals=None, events=None, follow=_nothing_follows, free=_no_key):
    return Acknowledger(
        consumer, store, Consequences(follow, free), events or TaskEvents(), signals or SignalThread(), spawn, leases=leases
    )
