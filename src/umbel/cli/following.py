"""Following a workflow, or one task, until it has ended: looks at the store when something has ended, and a few times a second."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from umbel.cli.output import Output, count
from umbel.cli.workflow_tree import lines_of, painted, summary, waiting
from umbel.results.workflow import Workflow
from umbel.results.workflow.reading import WorkflowReader
from umbel.runtime.logs import escape

#: Seconds between two looks: at least, at first, and at most while nothing changes.
_LEAST, _FIRST, _MOST = 0.1, 0.1, 0.5
#: Bars of tasks that tell their progress.
_BARS: Final = 5


def follow(
    reader: WorkflowReader,
    show: Callable[[Workflow], None],
    *,
    ended: Callable[[Workflow], bool] = Workflow.ready,
    timeout: float | None = None,
) -> Workflow:
    """Read again and again; returns the last that was read.

    Args:
        reader: of the workflow.
        show: called with each that was read.
        ended: says when to stop.
        timeout: seconds; ``None`` is for ever.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, before = _FIRST, None
    while True:
        begin = time.monotonic()
        workflow = reader.read()
        show(workflow)
        left = _MOST if deadline is None else deadline - begin
        if ended(workflow) or left <= 0:
            return workflow
        pause = _FIRST if workflow.counts != before else min(pause * 1.5, _MOST)
        before = workflow.counts
        reader.wait(workflow, min(pause, left))
        time.sleep(max(0.0, min(_LEAST, left) - (time.monotonic() - begin)))


def tree_text(output: Output, workflow: Workflow, columns: int, *, everything: bool = False) -> str:
    """Draw the tree, and below it what is waited for.

    Args:
        output: knows about colour.
        workflow: as it was read.
        columns: of the terminal.
        everything: summarise nothing.
    """
    lines = painted(lines_of(workflow, everything=everything), columns, output.paint)
    tasks = len(workflow.tasks)
    if tasks > 1:
        lines.append(f"{count(tasks, 'task')}: {summary(node.state for node in workflow.tasks)}.")
    lines += [text for text in (waiting(workflow), f"Not all of it: {workflow.cut}." if workflow.cut else None) if text]
    return "\n".join(lines)


@contextlib.contextmanager
def drawing_tree(output: Output) -> Iterator[Callable[[Workflow], None]]:
    """Draw a tree that changes: in place on a terminal, else a line on stderr for each change.

    Args:
        output: to draw on.
    """
    if output.as_json or output.quiet:
        yield _nothing
        return
    if not sys.stdout.isatty():
        yield _told(output, lambda workflow: [_ended(workflow), waiting(workflow)])
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not output.color, highlight=False)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda workflow: live.update(Text.from_ansi(tree_text(output, workflow, console.width)), refresh=True)


@contextlib.contextmanager
def drawing_bars(output: Output) -> Iterator[Callable[[Workflow], None]]:
    """Draw bars on stderr: of tasks that have ended, and of the progress that running ones tell; lines where it is no terminal.

    Args:
        output: to draw on.
    """
    if output.as_json or output.quiet:
        yield _nothing
        return
    if not sys.stderr.isatty():
        yield _told(output, lambda workflow: [_ended(workflow) if len(workflow.tasks) > 1 else None, *_progress_lines(workflow)])
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not output.color)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars).show


class _Bars:
    """The bars of one workflow.

    Args:
        bars: a `rich.progress.Progress`.
    """

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._known: dict[str, Any] = {}

    def show(self, workflow: Workflow) -> None:
        """Move the bars to where a workflow stands.

        Args:
            workflow: as it was read.
        """
        wanted: dict[str, tuple[str, float, float | None]] = {}
        tasks = workflow.tasks
        running = [node for node in tasks if node.progress is not None][:_BARS]
        if len(tasks) > 1 or not running:
            wanted[""] = ("tasks", sum(not node.is_open for node in tasks), len(tasks))
        for node in running:
            if node.progress is not None:
                wanted[node.id] = (escape(node.name or node.id), node.progress.current, node.progress.total)
        for key in self._known.keys() - wanted.keys():
            self._bars.remove_task(self._known.pop(key))
        for key, (text, current, total) in wanted.items():
            if key not in self._known:
                self._known[key] = self._bars.add_task(text, total=total)
            self._bars.update(self._known[key], completed=current, total=total)


def _nothing(_workflow: Workflow) -> None:
    """Draw nothing."""


def _told(output: Output, words: Callable[[Workflow], list[str | None]]) -> Callable[[Workflow], None]:
    """Make a function that prints lines on stderr that it has not printed the last time."""
    last: list[str | None] = []

    def show(workflow: Workflow) -> None:
        found = words(workflow)
        for text in found:
            if text not in last:
                output.remark(text)
        last[:] = found

    return show


def _ended(workflow: Workflow) -> str:
    tasks = workflow.tasks
    return f"{sum(not node.is_open for node in tasks):,} of {count(len(tasks), 'task')} ended: {summary(node.state for node in tasks)}."


def _progress_lines(workflow: Workflow) -> list[str]:
    found: list[str] = []
    for node in workflow.tasks:
        if node.progress is not None and len(found) < _BARS:
            total = "" if node.progress.total is None else f" of {node.progress.total:,}"
            found.append(f"{escape(node.name or node.id)}: {node.progress.current:,}{total}")
    return found
