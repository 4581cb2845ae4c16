"""One broker, one result store, one ledger, and what a test does with them."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from chaos.ledger import Entry, Watch
from system.processes import WorkerProcess, environment, eventually
from system.workload import make_app
from umbel.brokers.base import DEAD_SUFFIX, Broker, BrokerOptions, Delivery
from umbel.brokers.topology import Destination, Queue
from umbel.wire.message import Message


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where messages and results go."""

    name: str
    broker: str
    backend: str
    #: Seconds of lease in tests where a worker dies; ``None`` where a connection holds the messages.
    lease: float | None = None


def open_broker(url: str) -> Broker:
    """The broker behind a URL, by its contract only."""
    scheme = url.partition(":")[0]
    (factory,) = (point.load() for point in entry_points(group="umbel.brokers") if point.name == scheme)
    return factory(BrokerOptions(urls=(url,)))


FOLDERS = "umbel-stage-"


@functools.cache
def sweep() -> None:
    """Remove the folders of test processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        pid = folder.name.removeprefix(FOLDERS).partition("-")[0]
        if not pid.isdecimal() or not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


class Stage:
    """What a test of real processes stands on; `close` ends all that it started."""

    def __init__(self, place: Place, queue: str) -> None:
        self.place = place
        self.queue = queue
        sweep()
        # Not pytest's tmp_path: the path of a socket may have 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{FOLDERS}{os.getpid()}-"))
        self.ledger = self.folder / "ledger"
        self.watch = Watch(self.ledger)
        # Workers of other tests share the broker: they must not hear what ours are told.
        self.settings: dict[str, Any] = {"task_default_queue": queue, "control_exchange": queue}
        if place.lease:
            self.settings["broker_transport_options"] = {"visibility_timeout": place.lease}
        self.workers: list[WorkerProcess] = []
        self._gates = itertools.count()
        self._app: Any = None
        self._broker: Broker | None = None

    @property
    def app(self) -> Any:
        """The client's app; settings must be made before its first use."""
        if self._app is None:
            self._app = make_app(self.place.broker, self.place.backend, self.settings)
        return self._app

    @property
    def broker(self) -> Broker:
        if self._broker is None:
            self._broker = open_broker(self.place.broker)
        return self._broker

    def environment(self, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        """The environment of any process that uses the workload here."""
        return environment(self.place.broker, self.place.backend, self.ledger, {**self.settings, **(settings or {})})

    def worker(
        self, *options: str, settings: Mapping[str, Any] | None = None, ready: bool = True, env: Mapping[str, str] | None = None
    ) -> WorkerProcess:
        """Start a worker; returns when it consumes."""
        worker = WorkerProcess({**self.environment(settings), **(env or {})}, *options)
        self.workers.append(worker)
        return worker.wait_ready() if ready else worker

    def send(self, task: str, *args: Any, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """``apply_async`` of a task of the workload."""
        return self.app.tasks[task].apply_async(args, kwargs, **options)

    def publish(self, message: Message, queue: str | None = None) -> None:
        """Send any message at all, past the app."""
        self.broker.publisher().publish(message, Destination.of(Queue(queue or self.queue)), confirm=True)

    def runs(self, task_id: str, kind: str = "start") -> list[Entry]:
        return [entry for entry in self.watch.update() if entry["kind"] == kind and entry["id"] == task_id]

    def await_runs(self, task_id: str, count: int = 1, *, kind: str = "start", timeout: float = 30.0) -> list[Entry]:
        """Wait until a task has started (or ended) so many times."""

        def seen(entries: list[Entry]) -> list[Entry]:
            found = [entry for entry in entries if entry["kind"] == kind and entry.get("id") == task_id]
            return found if len(found) >= count else []

        try:
            return self.watch.wait(seen, timeout, f"{kind} {count} of {task_id}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def logs(self) -> str:
        return "\n".join(f"--- worker {worker.pid} alive={worker.alive}\n{worker.text()}" for worker in self.workers)

    def gate(self) -> str:
        """A named pipe for the task `wait_for`; see `processes.open_gate`."""
        path = self.folder / f"gate{next(self._gates)}"
        os.mkfifo(path)
        return str(path)

    def length(self, queue: str | None = None) -> int:
        """Ready messages of a queue; 0 when there is none."""
        client = self.broker.queue_client()
        try:
            return client.length(queue or self.queue) or 0
        finally:
            client.close()

    def dead(self, queue: str | None = None, count: int = 1, timeout: float = 30.0) -> list[Delivery]:
        """The dead letters of a queue, taken out, as soon as there are ``count``."""
        name = (queue or self.queue) + DEAD_SUFFIX
        try:
            eventually(lambda: self.length(name) >= count, timeout, f"{count} dead letters in {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.length(name)}\n{self.logs()}") from None
        client = self.broker.queue_client()
        try:
            return list(_drain(client, name))
        finally:
            client.close()

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        if self._app is not None:
            self._app.close()
        client = self.broker.queue_client()
        for name in (self.queue, self.queue + DEAD_SUFFIX):
            client.delete(name)
        client.close()
        self.broker.close()
        self.watch.close()
        shutil.rmtree(self.folder)


def _drain(client: Any, queue: str) -> Iterator[Delivery]:
    while (delivery := client.get(queue)) is not None:
        client.ack(delivery)
        yield delivery
