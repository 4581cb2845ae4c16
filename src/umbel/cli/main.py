"""``umbel``: find the command, run it, turn what went wrong into one line and an exit code.

Exit codes: 0 it worked, 1 it did not, 2 the command line is wrong, 69 the broker or store cannot be reached or nobody answered in time,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from umbel.cli.options import Group

EX_FAILURE: Final = 1
EX_USAGE: Final = 2
EX_UNAVAILABLE: Final = 69
EX_INTERRUPTED: Final = 130

#: Command → (module, what it does). A module is imported when its command is used.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "worker": ("umbel.cli.commands.worker", "Run tasks."),
    "call": ("umbel.cli.commands.call", "Send a task by name."),
    "result": ("umbel.cli.commands.result", "Wait for a task's result and print it."),
    "queues": ("umbel.cli.commands.queues", "Show how many messages wait in each queue."),
    "purge": ("umbel.cli.commands.purge", "Drop the messages that wait in queues."),
    "dead": ("umbel.cli.commands.dead", "Look at dead letters; send them again or drop them."),
    "report": ("umbel.cli.commands.report", "Print versions, platform and settings, for bug reports."),
    "settings": ("umbel.cli.commands.settings", "Show settings: what they are and what they are set to."),
    "demo": ("umbel.cli.demo.command", "Watch a worker at work, with nothing but this package."),
    "completion": ("umbel.cli.commands.completion", "Print the shell completion script."),
}


class Commands(Group):
    """The commands, imported one at a time so that none pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False, invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    r"""Umbel: a task queue that speaks Celery's language.

    \b
      umbel demo                       watch it work
      umbel -A tasks worker -l info    run the tasks of tasks.py
      umbel -A tasks call tasks.add -a '[30, 42]' --wait
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None = None, app: Any = None) -> int:
    """Run one command line; returns the exit code.

    Args:
        arguments: the words; those of this process when not given.
        app: used where ``-A`` names none.
    """
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
        # Whoever read our output has seen enough. Python must not find the closed pipe again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_FAILURE
    except Exception as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int:
    """One line for what we know; a traceback only for what nobody foresaw."""
    from umbel.errors import OperationalError, TimeoutError, UmbelError
    from umbel.runtime.logs import escape

    if not isinstance(error, UmbelError):
        raise error
    click.echo(f"Error: {escape(str(error))}", err=True)
    return EX_UNAVAILABLE if isinstance(error, (OperationalError, TimeoutError)) else EX_FAILURE


def main() -> NoReturn:
    """Entry point."""
    sys.exit(run())
