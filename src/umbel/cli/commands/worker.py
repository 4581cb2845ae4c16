"""``umbel worker``: run tasks until told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from umbel.app.connections import seconds
from umbel.cli.loading import LoadedApp, enter, load
from umbel.cli.options import Command, GlobalOptions, Misuse, Number, NumberOrAuto, WholeNumber, did_you_mean, names_list
from umbel.cli.output import Output, count, wants_color
from umbel.cli.overrides import parse_overrides
from umbel.cli.process.detaching import detach, is_detached, report_ready
from umbel.cli.process.duties import become, dump_stacks_on_usr1, file_name
from umbel.cli.process.options import hold_pidfile, process_options
from umbel.cli.process.stop_signals import StopEscalation, has_terminal, on_thread, start_again, stop_signals, working_folder
from umbel.cli.shell_completion import one_of, queues_option
from umbel.errors import ImproperlyConfigured
from umbel.pools import kinds
from umbel.pools.kinds import MOST_SLOTS
from umbel.runtime.logs import LogOptions, configure, level_of
from umbel.worker.options import node_name

if TYPE_CHECKING:
    from umbel.pools.template.process import Template
    from umbel.worker.options import WorkerOptions

#: Children call it before they load the app.
_INITIALIZER = "umbel.runtime.logs:configure"
_AT_LEAST_ONE = WholeNumber(min=1)
_SECONDS = Number(min=0, min_open=True)

#: Unknown queues up to which the user is asked what was meant.
_HINTS = 5


def _autoscale(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    from umbel.worker.slots.autoscaling import parse_bounds

    try:
        return parse_bounds(value)
    except ImproperlyConfigured as error:
        raise click.BadParameter(str(error)) from None


def _resources(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, float] | None:
    if value is None:
        return None
    from umbel.worker.gates.resources import parse_resources

    try:
        return parse_resources(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_QUEUES = (
    queues_option(text="Consume from these, e.g. -Q fast,slow."),
    queues_option("-X", "--exclude-queues", text="Consume from all but these."),
    click.option("--purge", "--discard", is_flag=True, help="First drop the messages that wait in these queues. There is no undo."),
    click.option("-I", "--include", multiple=True, callback=names_list, metavar="MODULES", help="Import these modules too."),
)
_POOL = (
    click.option(
        "-c",
        "--concurrency",
        type=NumberOrAuto(1, MOST_SLOTS),
        metavar="N",
        help="Tasks at a time, in each of the --processes. Default, and auto: one for each processor"
        f"; {' and '.join(kind.name for kind in kinds.KINDS if kind.slots_by_default)}: 100.",
    ),
    click.option(
        "--autoscale",
        callback=_autoscale,
        metavar="MAX,MIN",
        help="Between MIN and MAX tasks at a time, as there is work, in place of -c, e.g. 10,3.",
    ),
    click.option(
        "--processes",
        type=WholeNumber(1, 1000),
        metavar="N",
        help="Child processes of a pool that runs several tasks in each. Default: 1.",
    ),
    click.option(
        "-P",
        "--pool",
        metavar="NAME",
        shell_complete=one_of(*kinds.NAMES),
        help="; ".join(f"{kind.name}: {kind.text}{' (the default)' if kind is kinds.DEFAULT else ''}" for kind in kinds.KINDS) + ".",
    ),
    click.option(
        "--resources",
        callback=_resources,
        metavar="NAME=N",
        help="Things that tasks may ask for, and how much there is of each, e.g. gpu=1,vram_gb=24.",
    ),
    click.option("-O", "--optimization", type=click.Choice(["default", "fair"]), hidden=True),
    click.option(
        "--prefetch-multiplier",
        type=WholeNumber(min=0),
        metavar="N",
        help="Messages to hold for each slot; 0: no limit. Default: as the rate of tasks demands.",
    ),
    click.option("--disable-prefetch", is_flag=True, help="Hold no message without a free slot for it."),
    click.option("--time-limit", type=_SECONDS, metavar="SECONDS", help="End a task that runs longer; its child is killed."),
    click.option("--soft-time-limit", type=_SECONDS, metavar="SECONDS", help="Raise SoftTimeLimitExceeded in a task that runs longer."),
    click.option(
        "--max-tasks-per-child", "--maxtasksperchild", type=_AT_LEAST_ONE, metavar="N", help="Replace a child after this many tasks."
    ),
    click.option(
        "--max-memory-per-child",
        "--maxmemperchild",
        type=_AT_LEAST_ONE,
        metavar="KIB",
        help="Replace a child that has grown to this many KiB.",
    ),
)
_STOP = (
    click.option(
        "--grace",
        type=Number(min=0),
        metavar="SECONDS",
        help="At a stop, running tasks have so long; then they go back. Default: no limit.",
    ),
)
_PROCESS = (
    click.option("--reload", is_flag=True, help="Start again when a file of the app changes. For development."),
    click.option("--executable", metavar="PATH", help="With -D: the Python to run with."),
    click.option("-n", "--hostname", metavar="NAME", help="Name of this worker. %h: host; %n: its first part; %d: its domain."),
    click.option(
        "-S", "--statedb", metavar="FILE", help="Keep revoked tasks in this file, beside the result store. %n: the worker's name; %h: host."
    ),
    *process_options("worker"),
)
_BEAT = (
    click.option("-B", "--beat", is_flag=True, help="Send periodic tasks, too. Any number of workers may: one at a time does."),
    click.option(
        "-s", "--schedule", "--schedule-filename", "schedule_filename", metavar="FILE", help="With -B: keep the schedule in this file."
    ),
    click.option("--scheduler", metavar="CLASS", help="With -B: the class of the scheduler."),
)
_EVENTS = (
    click.option("-E", "--task-events", "--events", is_flag=True, help="Tell whoever watches what happens to tasks."),
    click.option("--heartbeat-interval", type=Number(min=0), metavar="SECONDS", help="Time between two heartbeats. Default: 2."),
    click.option("--without-heartbeat", is_flag=True, help="Tell nobody that this worker is there."),
    click.option("--without-gossip", is_flag=True, help="Do not listen to other workers."),
    click.option("--without-mingle", is_flag=True, help="Do not ask other workers at the start."),
)
_MONITORING = (
    click.option("--health-port", metavar="PORT", help="Answer /livez, /readyz and /startupz on this port, or HOST:PORT."),
    click.option("--metrics-port", metavar="PORT", help="Serve /metrics for Prometheus on this port, or HOST:PORT; may be the same."),
    click.option(
        "--heartbeat-file", metavar="FILE", help="Touch this file each second while all is well. %n: the worker's name; %h: host."
    ),
)


def _worker_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Any, ...] = (*_QUEUES, *_POOL, *_BEAT, *_EVENTS, *_MONITORING, *_STOP, *_PROCESS)
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    cls=Command,
    examples=(
        ("umbel -A tasks worker -l info -Q fast,slow -c 4", "two queues, four at a time"),
        ("umbel -A tasks worker -- task_acks_late=false", "any setting, after --"),
    ),
    sections={
        "Queues": ("queues", "exclude_queues", "purge"),
        "Tasks": ("include", "time_limit", "soft_time_limit"),
        "Pool": (
            "concurrency", "autoscale", "processes", "pool", "prefetch_multiplier", "disable_prefetch", "max_tasks_per_child", "max_memory_per_child", "resources",
        ),
        "Periodic tasks": ("beat", "schedule_filename", "scheduler"),
        "Events": ("task_events", "heartbeat_interval", "without_heartbeat", "without_gossip", "without_mingle"),
        "Monitoring": ("health_port", "metrics_port", "heartbeat_file"),
        "Log": ("loglevel", "logfile", "log_format"),
        "Process": ("hostname", "grace", "pid_path", "statedb", "reload", "detach", "executable", "uid", "gid", "umask"),
    },
)  # fmt: skip
@_worker_options
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, metavar="[-- SETTING=VALUE...]")
@click.pass_context
def command(context: click.Context, /, overrides: tuple[str, ...], **given: Any) -> None:
    """Run the tasks of an app until told to stop.

    Ctrl-C or TERM: running tasks may end. Ctrl-C twice or QUIT: at once, and what was running goes back to its queue.
    """
    options = GlobalOptions.of(context)
    output = Output.of(context)
    place, pool = working_folder(), _pool(given["pool"])
    template = _warm_up(options, given, pool)
    _keep_unpatched(pool)
    loaded = load(options, parse_overrides(overrides), needed=True)
    if given["detach"] and not is_detached():
        output.remark(detach(given["executable"] or loaded.app.conf.worker_executable))
        return
    conf = loaded.app.conf
    if template is not None and (conf.worker_uid is not None or conf.worker_gid is not None or conf.worker_umask is not None):
        template.close()  # it is what this process no longer will be
        template = None
    become(given["uid"] or conf.worker_uid, given["gid"] or conf.worker_gid, given["umask"] or conf.worker_umask)
    _refuse_root_with_pickle(loaded)
    node = node_name(given["hostname"])
    log_options = _configure_logging(loaded, given, node, options)
    loaded = _include(loaded, given["include"])
    with hold_pidfile(given["pid_path"] or loaded.app.conf.worker_pidfile, node):
        code = _run(loaded, given, template, pool=pool, node=node, log_options=log_options, output=output, workdir=options.workdir)
    if code is None:
        loaded.app.close()
        start_again(place)
    context.exit(code or 0)


def _keep_unpatched(pool: str | None) -> None:
    """An app that has been run by Celery may patch as it is imported: here that is for the children."""
    kind = kinds.find_kind(pool) if pool else None
    if kind is not None and kind.patched:
        from umbel.pools.template.unpatched import keep_unpatched

        keep_unpatched(kind.patched)


def _warm_up(options: GlobalOptions, given: Mapping[str, Any], pool: str | None) -> Template | None:
    """Have the template of the children load the app while this process does, too.

    Not where the process is still to change its user or to go into the background: the template must come after that.
    """
    kind = kinds.find_kind(pool) if pool else kinds.DEFAULT
    if options.app is None or kind is None or kind.in_worker or given["detach"] or given["uid"] or given["gid"]:
        return None
    from umbel.pools.recipe import AppRecipe
    from umbel.pools.template.process import Template

    enter(options.workdir)
    template = Template(AppRecipe(import_path=options.app), kind.patched)
    template.warm_up()
    return template


#: Options of the command that have the same name in `WorkerOptions`.
_SAME = (
    "queues", "processes", "prefetch_multiplier", "disable_prefetch", "time_limit", "soft_time_limit", "max_tasks_per_child", "max_memory_per_child",
    "resources", "heartbeat_interval", "without_heartbeat", "without_gossip", "without_mingle", "health_port", "metrics_port", "heartbeat_file",
    "grace",
)  # fmt: skip


def _options(loaded: LoadedApp, given: Mapping[str, Any], *, pool: str | None, node: str, log_options: LogOptions) -> WorkerOptions:
    from umbel.worker.options import WorkerOptions

    return WorkerOptions(
        **{name: given[name] for name in _SAME},
        app_path=loaded.path,
        hostname=node,
        exclude=given["exclude_queues"],
        concurrency=given["concurrency"],
        autoscale=given["autoscale"],
        pool=pool,
        task_events=given["task_events"] or None,
        state_db=given["statedb"],
        changes=dict(loaded.changes),
        child_initializer=(_INITIALIZER, (log_options,)),
    )


def _run(
    loaded: LoadedApp,
    given: Mapping[str, Any],
    template: Template | None,
    *,
    pool: str | None,
    node: str,
    log_options: LogOptions,
    output: Output,
    workdir: str | None,
) -> int | None:
    """Run a worker; returns the exit code, or ``None`` when it is to start again."""
    from umbel.worker.worker import Worker

    loaded.import_modules()
    _check_queues(loaded, given["queues"])
    if given["beat"]:
        _embed_beat(loaded, given)
    options = _options(loaded, given, pool=pool, node=node, log_options=log_options)
    worker = Worker(loaded.app, options, on_ready=_say_ready, template=template)
    names = [queue.name for queue in worker.queues()]
    if not names:
        raise Misuse(f"-X leaves no queue to consume from. This app has: {', '.join(loaded.queue_names())}.")
    if not output.quiet:
        output.line(_banner(loaded, worker, [queue.public_name for queue in worker.queues()], output))
        sys.stdout.flush()
    if given["purge"]:
        from umbel.cli.commands.purge import purge_all

        output.remark(f"Dropped {count(purge_all(loaded, tuple(names)), 'message')} that waited.")
    dump_stacks_on_usr1()
    say = logging.getLogger("umbel.worker").warning
    with on_thread(say) as say_soon:
        escalation = StopEscalation(
            worker, say_soon, soft=seconds(loaded.app.conf.worker_soft_shutdown_timeout) or 0.0, restarts=not has_terminal()
        )
        with stop_signals(escalation), _reloading(loaded, escalation, wanted=given["reload"], workdir=workdir):
            code = worker.run()
    if escalation.stop_requested:
        say(f"Stopped; {count(worker.handed_back, 'task')} handed back.")
    if escalation.restart and not code:
        say("Starting again.")
        return None
    return int(code)


@contextlib.contextmanager
def _reloading(loaded: LoadedApp, escalation: StopEscalation, *, wanted: bool, workdir: str | None) -> Iterator[None]:
    """Start again inside this block when the app's code changes, if that is ``wanted``."""
    if not wanted:
        yield
        return
    from umbel.cli.process.reloading import Reloader, loads, source_files

    path = loaded.path
    if path is None:
        raise Misuse("--reload looks at the files of an app: name it with -A.")
    reloader = Reloader(source_files, lambda: loads(path, workdir), escalation.reload)
    reloader.start()
    try:
        yield
    finally:
        reloader.stop()


def _embed_beat(loaded: LoadedApp, given: Mapping[str, Any]) -> None:
    """Have the worker run beat as a service."""
    from umbel.beat.embedded import embedded

    loaded.app.worker_services.append(embedded(loaded.app, schedule_filename=given["schedule_filename"], scheduler_cls=given["scheduler"]))


def _say_ready(worker: Any) -> None:
    report_ready()
    logging.getLogger("umbel.worker").info("%s ready.", worker.hostname)


def _banner(loaded: LoadedApp, worker: Any, queues: list[str], output: Output) -> str:
    from umbel.cli.banner import Facts, render

    app = loaded.app
    facts = Facts(
        node=worker.hostname,
        app=f"{app.main or '–'}  ({loaded.path})",
        broker=app.broker.public_url(),
        results=app.store.public_url() if app.store is not None else "not kept",
        pool=f"{worker.pool}, {worker.settings.kind.describe(worker.concurrency, worker.settings.processes)}{_most(worker.settings.autoscale)}",
        queues=queues,
        tasks=loaded.task_names(),
    )
    return render(facts, output)


def _most(bounds: tuple[int, int] | None) -> str:
    return f"; up to {bounds[0]:,} tasks at a time as there is work" if bounds else ""


def _pool(name: str | None) -> str | None:
    if name is None or kinds.find_kind(name) is not None:
        return name
    known = ", ".join(kinds.NAMES)
    hint = did_you_mean(name, [*kinds.NAMES]) or f"There are: {known}."
    raise click.BadParameter(f"there is no pool {name!r}. {hint}", param_hint="-P")


def _configure_logging(loaded: LoadedApp, given: Mapping[str, Any], node: str, options: GlobalOptions) -> LogOptions:
    """Set this process's logging up; returns how children do the same."""
    conf = loaded.app.conf
    path = given["logfile"] or conf.worker_logfile
    file = file_name(path, node) if path else None
    wanted = conf.worker_log_color
    color = wants_color(sys.stderr, no_color=options.no_color) if wanted is None else bool(wanted) and not options.no_color
    chosen = LogOptions(
        level=given["loglevel"],
        file=file,
        format=conf.worker_log_format,
        as_json=(given["log_format"] or conf.worker_log_format) == "json",
        worker=node,
        task_format=conf.worker_task_log_format,
        datefmt=conf.worker_log_datefmt,
        task_datefmt=conf.worker_task_log_datefmt,
        color=color,
        redirect=level_of(conf.worker_redirect_stdouts_level) if conf.worker_redirect_stdouts else None,
        hijack=conf.worker_hijack_root_logger,
    )
    try:
        configure(replace(chosen, redirect=None))  # here nothing is printed but by us
    except OSError as error:
        raise click.ClickException(f"Cannot write the log file {file}: {error.strerror}.") from error
    return chosen


def _include(loaded: LoadedApp, modules: tuple[str, ...]) -> LoadedApp:
    if not modules:
        return loaded
    include = {"include": tuple(dict.fromkeys([*(loaded.app.conf.include or ()), *modules]))}
    loaded.app.conf.update(include)
    return LoadedApp(loaded.app, loaded.path, {**loaded.changes, **include})


def _check_queues(loaded: LoadedApp, names: tuple[str, ...]) -> None:
    """Warn of a queue that is nearly, but not quite, one of the app's."""
    known = loaded.queue_names()
    if len(names) > _HINTS and not set(names) & set(known):
        return  # these are made elsewhere, and none was mistyped
    for name in names:
        if name not in known and (hint := did_you_mean(name, known)):
            logging.getLogger("umbel.worker").warning("Queue %r is not configured in this app. %s", name, hint)


def _refuse_root_with_pickle(loaded: LoadedApp) -> None:
    """Refuse pickle as root: the sender of a pickled message runs code here, and so would own the whole machine."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or os.environ.get("C_FORCE_ROOT"):
        return
    if {"pickle", "application/x-python-serialize"} & set(loaded.app.conf.accept_content or ()):
        raise click.ClickException(
            "Running as root while accepting pickle would give this machine to anyone who can send a message. "
            "Use --uid, take pickle out of accept_content, or set C_FORCE_ROOT=1."
        )
