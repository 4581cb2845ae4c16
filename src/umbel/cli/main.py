"""``umbel``: find the command, run it, turn an error into one line and an exit code.

Exit codes: 0 it worked, 1 it did not, 2 the command line is wrong, 69 the broker or store cannot be reached or has not answered in time,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from umbel.cli.options import EX_FAILURE, EX_INTERRUPTED, EX_UNAVAILABLE, Group
from umbel.cli.process.detaching import report_errors

#: Command → (module, what it does). A module is imported when its command is used.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "worker": ("umbel.cli.commands.worker", "Run tasks."),
    "multi": ("umbel.cli.multi.command", "Start and stop several workers on this machine."),
    "beat": ("umbel.cli.periodic.beat", "Send periodic tasks."),
    "schedule": ("umbel.cli.periodic.schedule", "Look at periodic tasks and edit them, while beat runs."),
    "call": ("umbel.cli.commands.call", "Send a task by name."),
    "result": ("umbel.cli.commands.result", "Wait for a task's result and print it."),
    "workflow": ("umbel.cli.commands.workflow", "Show how the tasks of a workflow stand."),
    "status": ("umbel.cli.remote.status", "Show which workers are there."),
    "inspect": ("umbel.cli.remote.inspect", "Ask workers what they are doing."),
    "control": ("umbel.cli.remote.control", "Tell workers what to do."),
    "events": ("umbel.cli.events.command", "Watch workers and tasks, print events, or take snapshots."),
    "dashboard": ("umbel.dashboard.command", "Show the fleet in a browser, and act on it there."),
    "queues": ("umbel.cli.queues.command", "Show how many messages wait in each queue."),
    "list": ("umbel.cli.broker.listing", "List the bindings of queues."),
    "migrate": ("umbel.cli.broker.migrate", "Carry messages from one broker to another."),
    "amqp": ("umbel.cli.broker.amqp", "Do single operations on a broker."),
    "db": ("umbel.cli.broker.db", "Make the tables of a broker in PostgreSQL."),
    "purge": ("umbel.cli.commands.purge", "Drop the messages that wait in queues."),
    "dead": ("umbel.cli.commands.dead", "List dead letters, send them again or drop them."),
    "report": ("umbel.cli.commands.report", "Print versions, platform and settings, for bug reports."),
    "doctor": ("umbel.cli.doctor.command", "Look the broker, the store, the queues and the workers over."),
    "settings": ("umbel.cli.commands.settings", "Show settings: their values and what they mean."),
    "migrate-check": ("umbel.cli.moving.check", "Say what a Celery project must change, without running it."),
    "upgrade": ("umbel.cli.moving.upgrade", "Give the settings of an old project today's names."),
    "shell": ("umbel.cli.developing.shell", "Start Python with the app and its tasks."),
    "graph": ("umbel.cli.developing.graph", "Print a worker's services or the workers there are, for Graphviz."),
    "logtool": ("umbel.cli.developing.logtool", "Read log files of workers: figures, errors, what has not ended."),
    "demo": ("umbel.cli.demo.command", "Watch a worker at work; needs nothing but this package."),
    "completion": ("umbel.cli.commands.completion", "Print the shell completion script."),
}


class Commands(Group):
    """The commands, imported one at a time so that none pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        command.short_help = summary  # what the shell shows beside it while it is typed
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            owner = next((name for name in COMMANDS if name in words and self._takes(ctx, name, error.option_name)), None)
            if owner is None:
                raise
            raise click.UsageError(f"{error.option_name} is an option of {owner!r}: write it after that word.", ctx) from None

    def _takes(self, ctx: click.Context, name: str, option: str) -> bool:
        command = self.get_command(ctx, name)
        return command is not None and any(option in parameter.opts for parameter in command.params)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    invoke_without_command=True,
    examples=(
        ("umbel demo", "watch it work"),
        ("umbel -A tasks worker -l info", "run its tasks"),
        ("umbel -A tasks call tasks.add -a '[30, 42]' --wait", "send one of them"),
    ),
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Umbel: a task queue that speaks Celery's language."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None = None, app: Any = None) -> int:
    """Run one command line; returns the exit code.

    Args:
        arguments: the words; those of this process when not given.
        app: used where ``-A`` names none.
    """
    _fill_closed_streams()
    report_errors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="umbel", standalone_mode=False, obj=app)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped.", err=True)
        return EX_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has closed it.
        _drop_output()
        return EX_FAILURE
    except Exception as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _fill_closed_streams() -> None:
    """Put /dev/null where the caller closed a standard stream: else the next file that is opened, say a database, would take its number."""
    if sys.stdin is not None and sys.stdout is not None and sys.stderr is not None:
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(0, "r", encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")


def _drop_output() -> None:
    """Drop the broken stream, which Python must not find again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> int:
    """Print one line for an error that is known; a traceback only for one that is not."""
    import traceback

    from umbel.errors import OperationalError, TimeoutError, UmbelError
    from umbel.runtime.logs import escape

    if isinstance(error, OSError) and any(frame.f_code is click.echo.__code__ for frame, _ in traceback.walk_tb(error.__traceback__)):
        with contextlib.suppress(OSError):
            click.echo(f"Error: Cannot write to standard output: {error.strerror}.", err=True)
        _drop_output()
        return EX_FAILURE
    if not isinstance(error, UmbelError):
        raise error
    click.echo(f"Error: {escape(str(error))}", err=True)
    return EX_UNAVAILABLE if isinstance(error, (OperationalError, TimeoutError)) else EX_FAILURE


def main() -> NoReturn:
    """Run ``umbel``, as its entry point."""
    sys.exit(run())
