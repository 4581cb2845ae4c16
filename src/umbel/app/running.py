"""From an app to what runs its tasks: a runner in this process, the command line, a worker.

The last two stand above the app and know it; they are reached by name, when asked for, so that an app that only sends never loads them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from umbel.execution.runner import Environment
from umbel.wire import serializers


def environment(app: Any, hostname: str, *, stores: bool) -> Environment:
    """What a runner needs of an app.

    Args:
        hostname: the worker's name.
        stores: results are kept.
    """
    conf = app.conf
    return Environment(
        tasks=app.tasks,
        hostname=hostname,
        accept=serializers.content_types(conf.accept_content),
        max_decompressed=conf.message_max_decompressed,
        extended=conf.result_extended,
        stores=stores,
        records_sent=stores and conf.task_store_queued and not app.answers_by_message,
        prepare=app.prepare,
        clock=app.clock,
    )


def start(app: Any, argv: Sequence[str] | None = None) -> int:
    """Run a command line for this app, as ``umbel`` does; returns the exit code.

    Args:
        argv: its words; those of this process when not given.
    """
    code: int = import_module("umbel.cli.main").run(sys.argv[1:] if argv is None else argv, app)
    return code


def worker_main(app: Any, argv: Sequence[str] | None = None) -> int:
    """Run ``umbel worker`` for this app.

    Args:
        argv: ``["worker", "--loglevel=info", …]``.

    Raises:
        ValueError: the words are for another command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if "worker" not in words:
        raise ValueError(f"worker_main() runs a worker: expected ['worker', …], got {words!r}")
    return start(app, words)


def make_worker(app: Any, options: Mapping[str, Any]) -> Any:
    """A worker of this app.

    Args:
        options: fields of `umbel.worker.options.WorkerOptions`; ``queues`` and ``exclude`` may be lists or texts with commas.

    Raises:
        TypeError: there is no such option.
    """
    chosen = dict(options)
    for name in ("queues", "exclude"):
        if name in chosen:
            value = chosen[name] or ()
            chosen[name] = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(value)
    worker = import_module("umbel.worker.worker").Worker
    return worker(app, import_module("umbel.worker.options").WorkerOptions(**chosen))
