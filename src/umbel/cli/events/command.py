"""``umbel events``: a live view of workers and tasks, their events as lines, or snapshots."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import click

from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, Misuse, Number
from umbel.cli.output import Output
from umbel.cli.process.options import process_options


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
        click.option("-d", "--dump", is_flag=True, help="Print a line for each event."),
        click.option("-j", "--json", "as_json", is_flag=True, help="With --dump: print JSON, an event a line."),
        click.option("-c", "--camera", metavar="CLASS", help="Take snapshots with this class, e.g. monitoring.cameras:Camera."),
        click.option(
            "-F",
            "--frequency",
            "--freq",
            type=Number(min=0, min_open=True),
            default=1.0,
            metavar="SECONDS",
            help="Seconds between two snapshots. Default: 1.",
        ),
        click.option("-r", "--maxrate", metavar="RATE", help="The most snapshots, e.g. 10/m."),
        *process_options("camera"),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    cls=Command,
    examples=(
        ("umbel -A tasks events", "watch workers and tasks"),
        ("umbel -A tasks events --dump --json", "an event a line, for other programs"),
        ("umbel -A tasks events -c cameras:Camera -F 10", "hand what is known to your code every 10 s"),
    ),
    sections={
        "Lines": ("dump", "as_json"),
        "Snapshots": ("camera", "frequency", "maxrate"),
        "Process (snapshots only)": ("loglevel", "logfile", "pid_path", "detach", "uid", "gid", "umask"),
    },
)
@_options
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Watch workers and tasks, in the terminal.

    Workers tell of tasks if they run with -E, or have been asked to by the key e.
    """
    dump, camera, as_json = given["dump"], given["camera"], given["as_json"]
    if dump and camera:
        raise Misuse("--dump and --camera are two ways to look: choose one.")
    if as_json and not dump:
        raise Misuse("--json goes with --dump.")
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    with contextlib.closing(loaded.app):
        if camera:
            from umbel.cli.events.camera import run as run_camera

            run_camera(loaded, camera, given, output)
        elif dump:
            _reach(loaded.app)
            from umbel.cli.events.dump import Dump

            output.remark(f"Events at {loaded.app.broker.public_url()}. Ctrl-C ends.")
            loaded.app.events.Receiver(handlers={"*": Dump(output).print}).capture()
        elif sys.stdin.isatty() and sys.stdout.isatty():
            from umbel.cli.events.live import watch

            _reach(loaded.app)
            watch(loaded.app, color=output.color)
        else:
            raise Misuse("The view needs a terminal. Print events with --dump.")


def _reach(app: Any) -> None:
    """Ask the broker for something: where it is away at the beginning a person wants to know, not to wait. Later it is waited for."""
    with contextlib.closing(app.broker.queue_client()) as client:
        client.length(app.conf.task_default_queue)
