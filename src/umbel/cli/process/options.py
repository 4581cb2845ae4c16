"""The options of commands that run until they are stopped: where they log, as whom they run, what they write their process id to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from umbel.cli.process.duties import file_name, pidfile
from umbel.cli.shell_completion import one_of
from umbel.runtime.logs import level_of


def _level(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    try:
        return level_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def process_options(node: str) -> tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...]:
    """Make these options.

    Args:
        node: what the process is called, in their help.
    """
    return (
        click.option(
            "-l",
            "--loglevel",
            default="warning",
            callback=_level,
            metavar="LEVEL",
            shell_complete=one_of("debug", "info", "warning", "error", "critical"),
            help="debug, info, warning (the default), error or critical.",
        ),
        click.option("-f", "--logfile", metavar="FILE", help=f"Log to this file. %n: the {node}'s name; %h: host."),
        click.option("--log-format", type=click.Choice(["text", "json"]), help="json: one object a line."),
        click.option(
            "--pidfile", "pid_path", metavar="FILE", help=f"Write the process id to this file; do not start if another {node} holds it."
        ),
        click.option("-D", "--detach", is_flag=True, help="Run in the background."),
        click.option("--uid", metavar="USER", help="Run as this user."),
        click.option("--gid", metavar="GROUP", help="Run as this group."),
        click.option("--umask", metavar="OCTAL", help="Permissions that new files do not get, e.g. 022."),
    )


@contextlib.contextmanager
def hold_pidfile(path: str | None, node: str) -> Iterator[None]:
    """Hold a pidfile, if one is wanted.

    Args:
        path: of it, with ``%n`` and the like.
        node: the process's name, for these.
    """
    if path is None:
        yield
        return
    with pidfile(Path(file_name(path, node))):
        yield
