"""``umbel result``: wait for one task and print how it ended."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import click

from umbel import states
from umbel.cli.loading import load
from umbel.cli.options import EX_FAILURE, EX_UNAVAILABLE, Command, GlobalOptions, Number, json_option, not_empty
from umbel.cli.output import Output
from umbel.cli.shell_completion import complete_tasks
from umbel.errors import ResultExpired, TimeoutError, UnknownTaskId
from umbel.results.handles import GroupResult
from umbel.runtime.logs import JSON_ESCAPES, escape_lines


@click.command(cls=Command)
@click.argument("task_id", callback=not_empty)
@click.option("-t", "--task", metavar="NAME", shell_complete=complete_tasks, help="The task's name, if it has a result store of its own.")
@click.option("--timeout", type=Number(min=0), metavar="SECONDS", help="Give up after so many seconds; 0 does not wait.")
@click.option(
    "-f", "--follow", "following", is_flag=True, help="Show how far it is: its progress, and how many tasks of its workflow have ended."
)
@click.option("--traceback", is_flag=True, help="Print the traceback of a failure.")
@json_option
@click.pass_context
def command(
    context: click.Context, task_id: str, task: str | None, timeout: float | None, following: bool, traceback: bool, as_json: bool
) -> None:
    """Wait until the task TASK_ID has ended and print its result.

    Exit code 0: it succeeded; 1: it failed, was revoked, or its result is gone; 69: it has not ended in time.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    app = loaded.app
    if task is not None:
        loaded.import_modules()
        app.finalize()
    result = app.tasks[task].AsyncResult(task_id) if task is not None and task in app.tasks else app.AsyncResult(task_id)
    if following:
        context.exit(_follow_and_print(output, result, timeout=timeout, traceback=traceback))
    context.exit(wait_and_print(output, result, timeout=timeout, traceback=traceback))


def wait_and_print(output: Output, result: Any, *, timeout: float | None, traceback: bool) -> int:
    """Wait for a result, with a spinner on a terminal; print it; returns the exit code.

    Args:
        output: to print on.
        result: the handle.
        timeout: seconds; ``None`` waits for ever.
        traceback: print that of a failure.
    """
    with contextlib.suppress(TimeoutError, ResultExpired, UnknownTaskId), _spinner(output, f"Waiting for {result.id}"):
        result.get(timeout=timeout, propagate=False)
    state, value = result.state, result.result
    if output.as_json:
        output.data({**_document(result, state, value), **({"ignored": True} if result.ignored else {})})
        return 0 if result.ignored else _exit_code(state)
    if result.ignored:
        output.remark(f"{result.name or 'The task'} ignores its result: there is none to wait for.")
        return 0
    if state == states.SUCCESS:
        output.line(value if isinstance(value, str) else _shown(value))
    elif state in states.READY_STATES:
        if traceback and result.traceback:
            output.line(escape_lines(result.traceback.rstrip()))
        click.echo(output.paint(f"{state}: {escape_lines(_described(value))}", fg="red"), err=True, color=output.color)
    else:
        output.remark(_ABSENT.get(state, f"It has not ended: its state is {state}."))
    return _exit_code(state)


def _follow_and_print(output: Output, result: Any, *, timeout: float | None, traceback: bool) -> int:
    """Show how far it is until it has ended, then print it; what will not run is not waited for."""
    from umbel.cli.following import drawing_bars, follow
    from umbel.results.workflow.reading import reader_of

    begin = time.monotonic()
    with drawing_bars(output) as show:
        workflow = follow(
            reader_of(result), show, ended=lambda seen: not seen[result.id].is_open if result.id in seen else seen.ready(), timeout=timeout
        )
    node = workflow.get(result.id) or workflow.root
    if node.is_group:
        return _print_group(output, result.app.GroupResult(result.id, map(result.app.AsyncResult, node.members)))
    will_not_run = not node.is_open and node.state == states.PENDING and workflow.failed()
    left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begin))
    # The body of a chord is told of a failed member a moment later.
    code = wait_and_print(output, result, timeout=_SOON if will_not_run else left, traceback=traceback)
    if will_not_run and code == EX_UNAVAILABLE:
        output.remark("It will not run: a task before it has failed.")
        return EX_FAILURE
    return code


def _print_group(output: Output, group: GroupResult[Any]) -> int:
    """Print the values of a group's members; the exit code is that of the worst of them."""
    group.ready()  # reads them together
    members = group.leaves()
    state = [member.state for member in members]
    if output.as_json:
        output.data({"id": group.id, "members": [_document(member, member.state, member.result) for member in members]})
    else:
        output.line(_shown([_described(member.result) if member.state in states.EXCEPTION_STATES else member.result for member in members]))
    return max(map(_exit_code, state), key=(0, EX_UNAVAILABLE, EX_FAILURE).index, default=0)


#: Seconds.
_SOON = 2.0

_ABSENT = {
    states.EXPIRED: "EXPIRED: it was sent longer ago than results are kept.",
    states.UNKNOWN: "UNKNOWN: no task with this id was ever sent.",
    states.PENDING: "PENDING: there is no record of it yet.",
}


def _exit_code(state: str) -> int:
    if state == states.SUCCESS:
        return 0
    return 1 if state in states.READY_STATES or state in (states.EXPIRED, states.UNKNOWN) else EX_UNAVAILABLE


def _described(value: object) -> str:
    if isinstance(value, BaseException):
        text = str(value)
        return f"{type(value).__name__}: {text}" if text else type(value).__name__
    return str(value)


def _shown(value: object) -> str:
    import json

    try:
        return json.dumps(value, ensure_ascii=False).translate(JSON_ESCAPES)
    except (TypeError, ValueError):
        return escape_lines(repr(value))


def _document(result: Any, state: str, value: Any) -> dict[str, Any]:
    failed = state in states.EXCEPTION_STATES
    return {
        "id": result.id,
        "state": state,
        "result": None if failed else value,
        "error": _described(value) if failed else None,
        "traceback": result.traceback,
    }


@contextlib.contextmanager
def _spinner(output: Output, text: str) -> Any:
    """Show something that moves while nothing happens; only on a terminal, on stderr."""
    if output.quiet or output.as_json or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    console = Console(stderr=True, no_color=not output.color)
    with console.status(f"{text}…", spinner="dots"):
        yield
