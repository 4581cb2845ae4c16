"""`start_worker`: a real worker of an app beside a test."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid
from collections.abc import Iterator
from typing import Any, Final

from umbel.app.app import Umbel
from umbel.worker.options import WorkerOptions
from umbel.worker.worker import Worker

#: Records of the worker's log that an error tells.
_TOLD: Final = 10


class WorkerFailed(Exception):
    """The worker of a test did not start, did not stop, or ended by itself. The text says why, as far as the worker did."""


class _Warnings(logging.Handler):
    """Keeps what the worker has warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class _Running:
    """A worker in a thread."""

    def __init__(self, app: Umbel, options: WorkerOptions, kind: type[Worker]) -> None:
        #: The worker takes tasks, or has ended.
        self.settled = threading.Event()
        self.worker = worker = kind(app, options, on_ready=lambda _: self.settled.set())
        self.error: BaseException | None = None
        self.code: int | None = None
        self.warnings = _Warnings()
        self.thread = threading.Thread(target=self._run, name=f"umbel-worker {worker.hostname}", daemon=True)

    def _run(self) -> None:
        try:
            self.code = self.worker.run()
        except BaseException as error:  # told by the thread that started us
            self.error = error
        finally:
            self.settled.set()

    def failure(self, what: str) -> WorkerFailed:
        """An error that names the worker, what happened to it, and what it said."""
        worker = self.worker
        lines = [f"the worker {worker.hostname} of {worker.app.main or 'an app'} (pool {worker.pool}) {what}"]
        lines.append(f"  broker: {worker.app.connections.broker.public_url()}")
        lines.append(f"  queues: {', '.join(queue.name for queue in worker.queues())}")
        lines += [f"  log: {line}" for line in self.warnings.lines[-_TOLD:]]
        return WorkerFailed("\n".join(lines))

    def notes(self) -> Iterator[str]:
        """Collect what may be why a test has failed."""
        if not self.thread.is_alive():
            yield str(self.ended())
        elif self.warnings.lines:
            yield str(self.failure("has warned"))

    def ended(self) -> WorkerFailed:
        """It has ended, unasked."""
        return self.failure(f"raised {self.error!r}" if self.error is not None else f"ended with exit code {self.code}")


@contextlib.contextmanager
def start_worker(
    app: Umbel,
    *,
    pool: str = "solo",
    concurrency: int = 1,
    timeout: float = 20.0,
    stop_timeout: float = 20.0,
    kind: type[Worker] = Worker,
    **options: Any,
) -> Iterator[Worker]:
    """Run a worker for a block: it takes tasks when the block begins, and has stopped, warm, when it is left.

    Args:
        app: whose tasks run.
        pool: ``solo`` runs them in a thread of this process, so that they see what the test has patched, and ``memory://`` can be the broker.
            ``prefork`` runs them in children, which import the app, or make one like it of its settings and tasks. Settings that the test has
            changed reach them by ``changes``.
        concurrency: tasks at a time; ``solo`` has one.
        timeout: seconds for the start.
        stop_timeout: seconds for the stop, in which running tasks may end. After that they are handed back, which fails the test.
        kind: the class of the worker.
        options: other fields of `umbel.worker.options.WorkerOptions`, such as ``queues``.

    Raises:
        WorkerFailed: it did not start or stop in time, or ended by itself.
        ImproperlyConfigured: the options or the app's settings make no sense.
    """
    options.setdefault("hostname", f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}@localhost")
    running = _Running(app, WorkerOptions.parse({"pool": pool, "concurrency": concurrency, **options}), kind)
    log = logging.getLogger("umbel")
    log.addHandler(running.warnings)
    try:
        running.thread.start()
        _wait_ready(running, timeout)
        try:
            yield running.worker
        except BaseException as error:
            for note in running.notes():
                error.add_note(note)
            raise
        if not running.thread.is_alive():
            raise running.ended() from running.error
    finally:
        try:
            _stop(running, stop_timeout)
        finally:
            log.removeHandler(running.warnings)


def _wait_ready(running: _Running, timeout: float) -> None:
    in_time = running.settled.wait(timeout)
    if running.worker.is_ready.is_set():
        return
    if in_time:
        raise running.ended() from running.error
    raise running.failure(f"takes no tasks after {timeout:g} s")


def _stop(running: _Running, timeout: float) -> None:
    """Stop it warm; cold when that takes too long."""
    running.worker.request_stop()
    running.thread.join(timeout)
    if not running.thread.is_alive():
        return
    running.worker.request_stop()
    running.thread.join(timeout)
    raise running.failure(
        f"had not stopped after {timeout:g} s; " + ("its tasks go on" if running.thread.is_alive() else "what it ran has been handed back")
    )
