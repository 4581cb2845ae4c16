"""``celery.contrib.testing.worker.start_worker``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from umbel import testing
from umbel.compat.legacy.nodenames import anon_nodename
from umbel.compat.subsystems.worker_options import translated
from umbel.compat.worker.controller import WorkController
from umbel.current import allow_join_result
from umbel.hooks import Signal

__all__ = ["WORKER_LOGLEVEL", "TestWorkController", "start_worker", "test_worker_started", "test_worker_starting", "test_worker_stopped"]

WORKER_LOGLEVEL = os.environ.get("WORKER_LOGLEVEL", "error")

test_worker_starting: Signal = Signal("test_worker_starting")
test_worker_started: Signal = Signal("test_worker_started", "worker", "consumer")
test_worker_stopped: Signal = Signal("test_worker_stopped", "worker")


class TestWorkController(WorkController):
    """A worker beside a test."""

    __test__ = False


@contextmanager
def start_worker(
    app: Any,
    concurrency: int = 1,
    pool: Any = "solo",
    loglevel: Any = WORKER_LOGLEVEL,  # noqa: ARG001 - a test's logging is left alone
    logfile: str | None = None,  # noqa: ARG001 - as loglevel
    perform_ping_check: bool = True,
    ping_task_timeout: float = 10.0,
    shutdown_timeout: float = 10.0,
    **kwargs: Any,
) -> Iterator[Any]:
    """Run a worker in a thread for a block. With ``prefork``, its children run the tasks.

    Args:
        app: whose tasks run; the current app from now on.
        concurrency: tasks at a time.
        pool: its name.
        loglevel: Celery's; without effect.
        logfile: Celery's; without effect.
        perform_ping_check: have it run a task first.
        ping_task_timeout: seconds for that.
        shutdown_timeout: seconds for the stop.
        kwargs: more options of a worker.

    Raises:
        umbel.testing.WorkerFailed: it did not start or stop in time, or ended by itself.
    """
    from umbel.compat.testing.tasks import ping  # not at the top: every app gets this task

    app.finalize()
    app.set_current()
    app.set_default()
    test_worker_starting.send(app)
    options = translated({"hostname": anon_nodename(), **kwargs, "pool": pool})
    worker = None
    try:
        with testing.start_worker(
            app, concurrency=concurrency, stop_timeout=shutdown_timeout, kind=TestWorkController, **options
        ) as worker:
            test_worker_started.send(app, worker=worker, consumer=worker)
            if perform_ping_check:
                with allow_join_result():
                    answer = ping.delay().get(timeout=ping_task_timeout)
                assert answer == "pong", f"the worker answered {answer!r}"
            yield worker
    finally:
        test_worker_stopped.send(app, worker=worker)
