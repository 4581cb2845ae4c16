"""``umbel beat``: send periodic tasks until told to stop."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from umbel._version import __version__
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Number
from umbel.cli.output import Output, wants_color
from umbel.cli.overrides import parse_overrides
from umbel.cli.process.detaching import detach, is_detached, report_ready
from umbel.cli.process.duties import become, dump_stacks_on_usr1, file_name
from umbel.cli.process.options import hold_pidfile, process_options
from umbel.cli.process.stop_signals import on_thread, stop_signals
from umbel.errors import ImproperlyConfigured
from umbel.runtime.host.service_manager import ServiceManager
from umbel.runtime.logs import LogOptions, configure, escape

#: Exit code: the schedule cannot be used as it is.
EX_SCHEDULE = 2

logger: logging.Logger = logging.getLogger("umbel.beat")


def _beat_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
        click.option("-s", "--schedule", "schedule_filename", metavar="FILE", help="Keep the schedule in this file."),
        click.option("-S", "--scheduler", metavar="CLASS", help="The class of the scheduler, e.g. umbel.beat:PersistentScheduler."),
        click.option("--max-interval", type=Number(min=0), metavar="SECONDS", help="Look at the schedule at least this often."),
        *process_options("beat"),
        click.option("--executable", hidden=True),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    cls=Command,
    examples=(
        ("umbel -A tasks beat -l info", "send what beat_schedule says"),
        ("umbel -A tasks schedule list", "in another terminal: what is due when"),
    ),
    sections={
        "Schedule": ("schedule_filename", "scheduler", "max_interval"),
        "Log": ("loglevel", "logfile", "log_format"),
        "Process": ("pid_path", "detach", "uid", "gid", "umask"),
    },
)
@_beat_options
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, metavar="[-- SETTING=VALUE...]")
@click.pass_context
def command(context: click.Context, /, overrides: tuple[str, ...], **given: Any) -> None:
    """Send periodic tasks until told to stop.

    Any number may run, on any machines, where they share a store of schedules: one of them sends, and another takes over when it ends.
    """
    output = Output.of(context)
    loaded = load(GlobalOptions.of(context), parse_overrides(overrides), needed=True)
    conf = loaded.app.conf
    if given["detach"] and not is_detached():
        output.remark(detach(given["executable"] or conf.beat_executable))
        return
    become(given["uid"] or conf.beat_uid, given["gid"] or conf.beat_gid, given["umask"] or conf.beat_umask)
    node = f"beat@{socket.gethostname()}"
    _configure_logging(loaded, given, node, no_color=GlobalOptions.of(context).no_color)
    loaded.import_modules()
    with hold_pidfile(given["pid_path"] or conf.beat_pidfile, node):
        context.exit(_run(loaded, given, output))


def _run(loaded: LoadedApp, given: Mapping[str, Any], output: Output) -> int:
    app = loaded.app
    dump_stacks_on_usr1()
    try:
        beat = app.Beat(max_interval=given["max_interval"], schedule_filename=given["schedule_filename"], scheduler_cls=given["scheduler"])
        scheduler = beat.scheduler
    except ImproperlyConfigured as error:
        click.echo(f"Error: {escape(str(error))}", err=True)
        return EX_SCHEDULE
    if not output.quiet:
        kept = f" · schedule in {scheduler.info}" if scheduler.info else ""
        output.line(f"{output.paint('umbel beat', bold=True)} {__version__} · {loaded.path} · {app.broker.public_url()}{kept}")
        sys.stdout.flush()
    manager = ServiceManager()
    with on_thread(logger.warning) as say, stop_signals(_Stop(beat, manager, say)):
        manager.ready("Periodic tasks are sent")
        report_ready()
        try:
            beat.start()
        except ImproperlyConfigured as error:
            logger.critical("Beat ends: %s", error)
            return EX_SCHEDULE
        finally:
            app.close()
    return 0


class _Stop:
    """Stops beat, at the second request at once.

    Args:
        beat: that is stopped.
        manager: is told.
        say: writes a line; it may be called in a signal handler.
    """

    def __init__(self, beat: Any, manager: ServiceManager, say: Callable[[str], None]) -> None:
        self._beat = beat
        self._manager = manager
        self._say = say
        self._asked = False

    def interrupt(self) -> None:
        """Handle any of the signals."""
        if self._asked:
            import os

            os._exit(1)
        self._asked = True
        self._manager.stopping("Beat is stopping")
        self._say("Stopping: what is being sent is finished, and the lease is given back.")
        self._beat.stop()

    quit = terminate = hang_up = interrupt


def _configure_logging(loaded: LoadedApp, given: Mapping[str, Any], node: str, *, no_color: bool) -> None:
    conf = loaded.app.conf
    path = given["logfile"] or conf.beat_logfile
    file = file_name(path, node) if path else None
    options = LogOptions(
        level=given["loglevel"],
        file=file,
        format=conf.worker_log_format,
        as_json=(given["log_format"] or conf.worker_log_format) == "json",
        worker=node,
        datefmt=conf.worker_log_datefmt,
        color=wants_color(sys.stderr, no_color=no_color) if conf.worker_log_color is None else bool(conf.worker_log_color) and not no_color,
        hijack=conf.worker_hijack_root_logger,
    )
    try:
        configure(options)
    except OSError as error:
        raise click.ClickException(f"Cannot write the log file {file}: {error.strerror}.") from error
