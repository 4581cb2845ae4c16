"""``umbel logtool``: figures and errors from the log files of workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from umbel.cli.developing.log_reading import ERRORS, Figures, Record, records
from umbel.cli.options import Command, Group, json_option
from umbel.cli.output import Output, count
from umbel.runtime.logs import escape_lines

_FILES = click.argument("files", nargs=-1, type=click.File("r", encoding="utf-8", errors="backslashreplace", lazy=False))


@click.group(
    cls=Group,
    examples=(("umbel logtool stats worker.log", "how many tasks, and what became of them"), ("umbel logtool errors < worker.log", "")),
)
def command() -> None:
    """Read log files of workers, in their default format, Umbel's or Celery's; stdin where no FILES are named."""


@command.command("stats", cls=Command, short_help="Count tasks and what became of them.")
@_FILES
@json_option
@click.pass_context
def stats(context: click.Context, files: tuple[Any, ...], as_json: bool) -> None:
    """Count tasks and what became of them."""
    output, figures = Output.of(context, as_json=as_json), Figures()
    for record in _all(files):
        figures.add(record)
    document = {
        "tasks": dict(figures.tasks.most_common()),
        "events": dict(figures.events.most_common()),
        "levels": dict(figures.levels.most_common()),
        "tracebacks": figures.tracebacks,
        "incomplete": len(figures.open),
    }
    if as_json:
        output.data(document)
        return
    output.line(
        f"{count(sum(figures.levels.values()), 'record')}, {count(figures.tracebacks, 'traceback')}, {len(figures.open):,} incomplete."
    )
    for title, found in (("WHAT", figures.events), ("TASK", figures.tasks), ("LEVEL", figures.levels)):
        if found:
            output.line()
            output.columns([title, "NUMBER"], [(name, f"{number:,}") for name, number in found.most_common()], right=frozenset({1}))


@command.command("traces", cls=Command, short_help="Print the records with tracebacks.")
@_FILES
@click.pass_context
def traces(context: click.Context, files: tuple[Any, ...]) -> None:
    """Print the records with tracebacks."""
    _print(Output.of(context), (record for record in _all(files) if record.has_traceback))


@command.command("errors", cls=Command, short_help="Print the records of errors.")
@_FILES
@click.pass_context
def errors(context: click.Context, files: tuple[Any, ...]) -> None:
    """Print the records of errors."""
    _print(Output.of(context), (record for record in _all(files) if record.level in ERRORS))


@command.command("incomplete", cls=Command, short_help="List tasks that were received and have not ended.")
@_FILES
@json_option
@click.pass_context
def incomplete(context: click.Context, files: tuple[Any, ...], as_json: bool) -> None:
    """List tasks that were received and have not ended in these logs."""
    output, figures = Output.of(context, as_json=as_json), Figures()
    for record in _all(files):
        figures.add(record)
    if as_json:
        output.data([{"id": task_id, "task": name} for task_id, name in figures.open.items()])
    elif figures.open:
        output.columns(["ID", "TASK"], list(figures.open.items()))
    else:
        output.line("Every task that was received has ended.")


@command.command("debug", cls=Command, short_help="Print the records that are about no task.")
@_FILES
@click.pass_context
def debug(context: click.Context, files: tuple[Any, ...]) -> None:
    """Print the records that are about no task."""
    _print(Output.of(context), (record for record in _all(files) if record.event() is None))


def _all(files: tuple[Any, ...]) -> Iterator[Record]:
    for file in files or (sys.stdin,):
        yield from records(file)


def _print(output: Output, found: Iterator[Record]) -> None:
    for record in found:
        output.line(escape_lines(record.raw))
