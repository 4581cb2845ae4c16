"""A publisher and a store that keep everything in lists, and an app that uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from fakes.clock import FakeClock
from umbel import Umbel
from umbel.brokers.confirms.receipts import Receipt, Receipts, WouldBlock
from umbel.brokers.topology import Destination, Queue
from umbel.errors import PublishError
from umbel.execution.committing import Committer
from umbel.execution.model import Execution, Job, OpenChord
from umbel.results.base import StoreOptions
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.groups.memory import MemoryGroups
from umbel.results.model import Record, sent
from umbel.wire.message import Call, Message, Stencil


class FakePublisher:
    """Keeps what is published; fails when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, Destination]] = []
        self.confirmed: list[bool] = []
        self.retries: list[int] = []
        self.declared: list[Queue] = []
        self.error: Exception | None = None
        #: What the broker says later, to a receipt.
        self.refusal: PublishError | None = None
        self.blocking = False
        self.receipts = Receipts()

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        if self.error:
            raise self.error
        self.sent.append((message, to))
        self.confirmed.append(confirm)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        message = stencil.fill(call)
        self.publish(message, Destination(stencil.exchange, stencil.routing_key))

    def publish_many(self, messages: Iterable[tuple[Message, Destination]], *, confirm: bool = False) -> int:
        before = len(self.sent)
        for message, to in messages:
            self.publish(message, to, confirm=confirm)
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
    """Keeps records."""

    shared = True
    reply_to = None

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.groups = MemoryGroups(StoreOptions(url="memory://"))

    def announce(self, task_ids: Sequence[str], publisher: Any) -> None:
        self.store([sent(task_id) for task_id in task_ids])

    def store(self, records: Sequence[Record]) -> None:
        self.records.extend(records)

    def close(self) -> None:
        pass


class FakeApp(Umbel):
    """An app without servers: what it publishes is in ``publisher.sent``, its time stands still."""

    def __init__(self, main: str = "proj", **options: Any) -> None:
        options.setdefault("broker", "memory://")
        options.setdefault("backend", "memory://")
        super().__init__(main, clock=options.pop("clock", FakeClock()), set_as_current=False, **options)
        self.fake = FakePublisher()
        self.records = FakeStore()
        self.groups = self.records.groups
        self.connections.use(self.fake, self.records)

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
        self._app.groups.open(chord.group_id, chord.size)

    def count(self, parts: list[ChordPart]) -> list[ChordClaim | None]:
        return [turn if isinstance(turn, ChordClaim) else None for turn in self._app.groups.count(parts)]

    def close_chord(self, claim: ChordClaim) -> None:
        self._app.groups.close(claim)
