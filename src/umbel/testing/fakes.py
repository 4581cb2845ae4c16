"""A publisher and a store that keep everything in lists, and an app that uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from umbel.app.app import Umbel
from umbel.brokers.base import Publisher
from umbel.brokers.confirms.receipts import Receipt, Receipts, WouldBlock
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.errors import PublishError, TimeoutError
from umbel.execution.committing import Committer
from umbel.execution.model import Execution, FreeKey, Job, OpenChord
from umbel.leases import memory
from umbel.leases.base import Lease, LeaseOptions
from umbel.results.base import StoreOptions
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.groups.memory import MemoryGroups
from umbel.results.model import Record, sent
from umbel.results.revocations.memory import MemoryRevocations
from umbel.states import READY_STATES
from umbel.testing.clock import FakeClock
from umbel.wire.message import Call, Message, Stencil


class FakePublisher:
    """Keeps what is published in ``sent``, with its destinations; raises ``error`` when there is one."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, Destination]] = []
        self.confirmed: list[bool] = []
        self.retries: list[int] = []
        self.declared: list[Queue] = []
        self.error: Exception | None = None
        #: What the broker says later, to a receipt.
        self.refusal: PublishError | None = None
        self.blocking = False
        self.receipts: Receipts = Receipts()

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002
        if self.error:
            raise self.error
        self.sent.append((message, to))
        self.confirmed.append(confirm)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        message = stencil.fill(call)
        self.publish(message, Destination(stencil.exchange, stencil.routing_key))

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        before = len(self.sent)
        for outgoing in messages:
            self.publish(*whole(outgoing), confirm=confirm)
        return len(self.sent) - before

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        self.retries.append(retries)
        return nullcontext()

    def declare(self, queue: Queue) -> None:
        self.declared.append(queue)

    @contextmanager
    def receipt(self, *, wait: bool = True) -> Iterator[Receipt]:
        if self.blocking and not wait:
            raise WouldBlock
        with self.receipts.opened() as receipt:
            yield receipt
            if self.refusal:
                self.receipts.note(0)
                self.receipts.refuse(0, self.refusal)

    def flush(self, timeout: float | None = None) -> None:
        pass

    def close(self) -> None:
        pass


class FakeStore:
    """Keeps every record that was ever stored, in order. The last one of a task counts; nobody waits for one that is not there."""

    shared = True
    reply_to: str | None = None

    def __init__(self) -> None:
        self.options: StoreOptions = StoreOptions(url="fake://")
        self.records: list[Record] = []
        self.groups: MemoryGroups = MemoryGroups(StoreOptions(url="memory://"))
        self.revocations: MemoryRevocations = MemoryRevocations()

    def expect(self, task_id: str) -> None: ...

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:  # noqa: ARG002
        self.store([sent(task_id) for task_id in task_ids])

    def store(self, records: Sequence[Record]) -> None:
        self.records.extend(records)

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        return {record.task_id: record for record in self.records if record.task_id in task_ids}

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        record = self.fetch([task_id]).get(task_id)
        if record is not None and record.status in READY_STATES:
            return record
        if record is not None and on_record is not None:
            on_record(record)
        raise TimeoutError(f"task {task_id} has no result within {timeout} s: the fake store has none")

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        return self.wait(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        self.records = [record for record in self.records if record.task_id not in task_ids]

    def cleanup(self) -> int:
        return 0

    def public_url(self) -> str:
        return self.options.url

    def close(self) -> None: ...


class FakeApp(Umbel):
    """An app without servers: what it publishes is in ``fake.sent``, what it stores in ``records.records``, and its time stands still.

    Args:
        main: the app's name.
        options: of `Umbel`; ``time`` is a `FakeClock` unless given.
    """

    def __init__(self, main: str = "proj", **options: Any) -> None:
        options.setdefault("broker", "memory://")
        options.setdefault("backend", "memory://")
        super().__init__(main, time=options.pop("time", FakeClock()), set_as_current=False, **options)
        self.fake: FakePublisher = FakePublisher()
        self.records: FakeStore = FakeStore()
        self.groups: MemoryGroups = self.records.groups
        self.connections.use(self.fake, self.records, memory.connect(LeaseOptions(url=f"memory:///{id(self)}")))

    def job(self, message: Message | None = None, to: Destination | None = None, **headers: Any) -> Job:
        """The last message published, or this one, as a worker receives it."""
        if message is None or to is None:
            message, to = self.fake.sent[-1]
        return Job(
            1, {**message.headers, **headers}, message.body, message.content_type, message.content_encoding, message.properties,
            to.exchange, to.routing_key, False,
        )  # fmt: skip

    def run(self, job: Job | None = None) -> Execution:
        """Run a job as a child does: execute, store, publish, finish."""
        runner = self.runner("w1@host")
        execution = runner.execute(job or self.job())
        runner.close()
        Committer(FakeEffectSink(self)).commit([execution], [])
        return execution


class FakeEffectSink:
    """Does the effects of executions with an app's fakes (`execution.committing.EffectSink`)."""

    def __init__(self, app: FakeApp) -> None:
        self._app = app

    def store(self, records: Sequence[Record]) -> None:
        self._app.records.store(records)

    def publish(self, execution: Execution) -> Execution:
        for message, to in execution.publications:
            self._app.fake.publish(message, to)
        return execution

    def open_chord(self, chord: OpenChord) -> None:
        if chord.kept is not None:
            self._app.groups.save(*chord.kept)
        self._app.groups.open(chord.group_id, chord.size, anew=chord.anew)

    def count(self, parts: list[ChordPart]) -> list[ChordClaim | Exception | None]:
        return [turn if isinstance(turn, ChordClaim) else None for turn in self._app.groups.count(parts)]

    def kept_body(self, key: str) -> Any:
        return self._app.groups.tree(key)

    def close_chord(self, claim: ChordClaim, kept: str) -> None:
        self._app.groups.close(claim)
        self._app.groups.forget(kept)

    def free(self, keys: list[FreeKey]) -> None:
        self._app.leases.release([Lease(key.name, key.task_id, 0.0) for key in keys])
