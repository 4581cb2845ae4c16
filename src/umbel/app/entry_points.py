"""From an app to what runs its tasks: a runner in this process, the command line, a worker."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from umbel.execution.environment import Environment
from umbel.runtime import child_import, plugins
from umbel.wire import serializers

if TYPE_CHECKING:
    from umbel.execution.execute import TaskRunner

#: These stand above the app and know it. `Umbel.start` and `Umbel.Worker` must find them after no more than ``import umbel``, which loads
#: neither. So they are named, as built-in brokers are: entry points would say the same names in the distribution's metadata, whose scan
#: takes longer than all else that starts here and finds nothing in a tree that is not installed; and to register themselves, somebody
#: would have to import them.
_COMMAND_LINE: Final = "umbel.cli.main:run"
_WORKER: Final = "umbel.worker.worker:make_worker"
_BEAT: Final = "umbel.beat.service:Service"
_SCHEDULES: Final = "umbel.beat.editing:Schedules"


def environment(app: Any, hostname: str, *, stores: bool) -> Environment:
    """Collect the parts of an app that a runner needs.

    Args:
        app: the app.
        hostname: the worker's name.
        stores: results are kept.
    """
    from umbel.app.connections import seconds
    from umbel.app.workflows.publishing import polled_every  # most of an app could import this: a client may send no workflow

    conf = app.conf
    groups = app.store.groups if stores and app.store is not None else None
    return Environment(
        tasks=app.tasks,
        hostname=hostname,
        accept=serializers.content_types(conf.accept_content),
        max_decompressed=conf.message_max_decompressed,
        extended=conf.result_extended,
        stores=stores,
        records_sent=stores and conf.task_store_queued and not app.answers_by_message,
        counts_chords=groups is not None,
        begins_body=None if groups is None else groups.begin_body,
        errbacks_in_header=bool(conf.task_allow_error_cb_on_chord_header),
        chord_body_limit=conf.task_chord_body_limit,
        polled_every=polled_every(app) if stores else None,
        chord_timeout=seconds(conf.task_chord_timeout),
        inherit_priority=bool(conf.task_inherit_parent_priority),
        mirrors_priorities=app.connections.mirrors_priorities(reading=True),
        ring=app.connections.key_ring,
        prepare=app.prepare,
        clock=app.time,
    )


def make_runner(app: Any, hostname: str, *, stores: bool) -> TaskRunner:
    """Make what runs the tasks of an app in this process.

    Args:
        app: whose tasks.
        hostname: the worker's name.
        stores: results are kept.
    """
    from umbel.execution.execute import TaskRunner  # most of what an app could import: a client that only sends runs nothing

    return TaskRunner(environment(app, hostname, stores=stores))


def start(app: Any, argv: Sequence[str] | None = None) -> int:
    """Run a command line for this app, as ``umbel`` does; returns the exit code.

    In a script that a worker's child imports, a worker is not run.

    Args:
        app: the app.
        argv: its words; those of this process when not given.
    """
    words = sys.argv[1:] if argv is None else argv
    if "worker" in words and child_import.is_for_child():
        return 0
    code: int = plugins.load(_COMMAND_LINE, "app.start()")(words, app)
    return code


def worker_main(app: Any, argv: Sequence[str] | None = None) -> int:
    """Run ``umbel worker`` for this app; returns the exit code.

    Args:
        app: the app.
        argv: ``["worker", "--loglevel=info", …]``.

    Raises:
        ValueError: the words are for another command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if "worker" not in words:
        raise ValueError(f"worker_main() runs a worker: expected ['worker', …], got {words!r}")
    return start(app, words)


def make_worker(app: Any, options: Mapping[str, Any]) -> Any:
    """Make a worker of this app.

    Args:
        app: the app.
        options: fields of `umbel.worker.options.WorkerOptions`; ``queues`` and ``exclude`` may be lists or texts with commas.

    Raises:
        TypeError: there is no such option.
    """
    return plugins.load(_WORKER, "app.Worker()")(app, options)


def make_beat(app: Any, options: Mapping[str, Any]) -> Any:
    """Make the scheduler of an app's periodic tasks.

    Args:
        app: the app.
        options: of `umbel.beat.service.Service`.

    Raises:
        ImproperlyConfigured: there is no such scheduler.
    """
    return plugins.load(_BEAT, "app.Beat()")(app, **options)


def make_schedules(app: Any) -> Any:
    """Make what edits an app's schedule.

    Args:
        app: the app.
    """
    return plugins.load(_SCHEDULES, "app.schedules")(app)
