"""The live view as lines of text: what is seen and where the user is, in the room that there is. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from umbel import states
from umbel.cli.events.model import Seen, TaskRow, View, WorkerRow
from umbel.cli.output import ago, clip, count, width
from umbel.runtime.logs import escape

#: The style of a state; others have none.
_STYLES: Final = {
    states.SUCCESS: "good", states.FAILURE: "bad", states.REVOKED: "bad", states.REJECTED: "bad", states.RETRY: "warn", states.STARTED: "busy",
}  # fmt: skip
_KEYS: Final = "↑↓ move  i details  r revoke  t terminate  l limit  w {other}  p pause  q quit"
_KEYS_OPEN: Final = "↑↓ scroll  Esc back  r revoke  t terminate  l limit  p pause"
#: Lines of workers, unless there is more room.
_WORKERS: Final = 5
#: Columns of numbers and states: state, runtime, age, id.
_STATE, _RUNTIME, _AGE, _ID = 8, 7, 4, 8
#: Columns of a worker's numbers: status, slots, active, rate, done, load.
_OF_WORKER: Final = (("STATUS", 7), ("SLOTS", 5), ("ACTIVE", 6), ("RATE", 7), ("DONE", 9), ("LOAD", 5))


@dataclass(frozen=True, slots=True)
class Line:
    """One line: texts and their styles."""

    parts: tuple[tuple[str, str], ...] = ()
    selected: bool = False

    @property
    def text(self) -> str:
        """Its text alone."""
        return "".join(text for text, _ in self.parts)


def frame(view: View, seen: Seen, columns: int, rows: int, broker: str) -> list[Line]:
    """Draw the view; returns as many lines as there are rows, none longer than there are columns.

    Args:
        view: where the user is.
        seen: the cluster.
        columns: of the terminal.
        rows: of the terminal.
        broker: its URL, without secrets.
    """
    title, foot = _title(view, seen, broker), _foot(view, seen)
    room = max(0, rows - len(foot) - 1)
    body = _details(view, seen, columns, room) if view.opened else _tables(view, seen, columns, room)
    body += [Line()] * (room - len(body))
    return [_fitted(line, columns) for line in [title, *body[:room], *foot]][:rows]


def _title(view: View, seen: Seen, broker: str) -> Line:
    online = sum(worker.alive for worker in seen.workers)
    rate = sum(worker.rate or 0.0 for worker in seen.workers)
    parts = [("umbel events", "bold"), (f" · {broker} · {count(online, 'worker')} · {count(seen.known, 'task')} · {rate:.1f}/s", "")]
    if view.paused:
        parts.append((" · paused", "warn"))
    return Line(tuple(parts))


def _foot(view: View, seen: Seen) -> list[Line]:
    other = "tasks" if view.pane == "workers" else "workers"
    keys = _KEYS_OPEN if view.opened else _KEYS.format(other=other)
    if view.question is not None:
        typed = f" {view.question.typed}▏" if view.question.topic == "rate" else ""
        about, style = f"{view.question.text}{typed}", "bold"
        if view.note:
            about = f"{view.note}. {about}"
        keys = "Enter: do it  Esc: leave it" if view.question.topic == "rate" else "y: do it  n: leave it"
    elif view.note:
        about, style = view.note, "bold"
    else:
        about, style = _remark(seen), "warn"
    return [Line(((escape(about), style),)), Line(((keys, "dim"),))]


def _remark(seen: Seen) -> str:
    """Say what is missing."""
    silent = seen.silent
    if silent:
        who = silent[0] if len(silent) == 1 else count(len(silent), "worker")
        return f"Events are off: {who} runs tasks without telling. e turns them on (or -E)."
    if not seen.workers:
        return "No worker has been heard of."
    if not seen.known:
        return "No task yet. If workers run without -E, e has them tell of tasks."
    return ""


def _tables(view: View, seen: Seen, columns: int, room: int) -> list[Line]:
    all_workers = len(seen.workers)
    most = max(2, room // 2) if view.pane == "workers" else _WORKERS
    shown = min(all_workers, most, max(1, room - 4))
    lines = _worker_lines(view, seen.workers, columns, shown)
    lines.append(Line())
    return lines + _task_lines(view, seen.tasks, columns, room - len(lines))


def _worker_lines(view: View, workers: Sequence[WorkerRow], columns: int, shown: int) -> list[Line]:
    room = max(8, columns - 2 - sum(size + 2 for _, size in _OF_WORKER))
    title = "  " + _left("WORKER", room) + "".join(f"  {_right(name, size)}" for name, size in _OF_WORKER)
    is_here = view.pane == "workers"
    selected = _place([worker.name for worker in workers], view.worker) if is_here else -1
    first = _first(selected, len(workers), shown)
    lines = [Line(((title, "dim"),))]
    for number, worker in enumerate(workers[first : first + shown], first):
        cells = [
            _number(worker.slots), _number(worker.active), "–" if worker.rate is None else f"{worker.rate:.1f}/s", _number(worker.processed),
            "–" if worker.load is None else f"{worker.load:.2f}",
        ]  # fmt: skip
        status = ("online", "good") if worker.alive else ("gone", "bad")
        rest = "".join(f"  {_right(cell, size)}" for cell, (_, size) in zip(cells, _OF_WORKER[1:], strict=True))
        mark = "> " if number == selected else "  "
        parts = ((mark + _left(escape(worker.name), room) + "  ", ""), (_right(status[0], _OF_WORKER[0][1]), status[1]), (rest, ""))
        lines.append(Line(parts, number == selected))
    if shown < len(workers):
        title = f"{title}".rstrip()
        lines[0] = Line(((_left(f"  WORKER ({first + 1}–{first + shown} of {len(workers)})", room + 2) + title[room + 2 :], "dim"),))
    return lines


def _task_lines(view: View, tasks: Sequence[TaskRow], columns: int, room: int) -> list[Line]:
    free = max(16, columns - 2 - (_STATE + _RUNTIME + _AGE + _ID) - 2 * 5)
    name_room = free * 3 // 5
    worker_room = free - name_room
    title = (
        f"  {_left('STATE', _STATE)}  {_left('TASK', name_room)}  {_left('WORKER', worker_room)}  {_right('RUNTIME', _RUNTIME)}"
        f"  {_right('AGE', _AGE)}  {'ID':<{_ID}}"
    )
    is_here = view.pane == "tasks"
    selected = _place([task.id for task in tasks], view.task) if is_here else -1
    shown = max(0, room - 1)
    first = _first(selected, len(tasks), shown)
    lines = [Line(((title.rstrip(), "dim"),))]
    for number, task in enumerate(tasks[first : first + shown], first):
        mark = "> " if number == selected else "  "
        rest = (
            f"  {_left(escape(task.name or '?'), name_room)}  {_left(escape(task.worker), worker_room)}  {_right(_seconds(task.runtime), _RUNTIME)}"
            f"  {_right('–' if task.age is None else ago(task.age), _AGE)}  {_left(escape(task.id), _ID, cut=True)}"
        )
        state = _left(escape(task.state), _STATE)
        lines.append(Line(((mark, ""), (state, _STYLES.get(task.state, "")), (rest.rstrip(), "")), number == selected))
    return lines


def _details(view: View, seen: Seen, columns: int, room: int) -> list[Line]:
    if seen.details is None:
        return [Line(), Line((("  It is not known any more: too many others came since.", "warn"),))]
    label = max((len(name) for name, _ in seen.details), default=0)
    lines: list[Line] = [Line()]
    for name, value in seen.details:
        texts = [escape(text) for text in value.splitlines()] or [""]
        folded = [part for text in texts for part in (textwrap.wrap(text, max(8, columns - label - 6), drop_whitespace=False) or [""])]
        for number, text in enumerate(folded):
            lines.append(
                Line(((f"  {name if not number else '':<{label}}  ", "dim"), (text, _STYLES.get(text, "") if name == "state" else "")))
            )
    first = min(view.scrolled, max(0, len(lines) - room))
    left = len(lines) - first - room
    shown = lines[first : first + room]
    if left > 0 and shown:
        shown[-1] = Line(((f"  … {count(left + 1, 'line')} more", "dim"),))
    return shown


def _place(names: Sequence[str], wanted: str | None) -> int:
    return names.index(wanted) if wanted in names else 0


def _first(selected: int, number: int, shown: int) -> int:
    """The first of the lines that are shown, so that the selected one is among them."""
    return min(max(0, selected - shown + 1), max(0, number - shown))


def _fitted(line: Line, columns: int) -> Line:
    if width(line.text) <= columns:
        return line
    parts, left = [], columns
    for text, style in line.parts:
        kept = clip(text, left) if left > 0 else ""
        parts.append((kept, style))
        left -= width(kept)
        if kept != text:
            break
    return Line(tuple(parts), line.selected)


def _left(text: str, room: int, *, cut: bool = False) -> str:
    text = text[:room] if cut else clip(text, room)
    return text + " " * (room - width(text))


def _right(text: str, room: int) -> str:
    text = clip(text, room)
    return " " * (room - width(text)) + text


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 100 else ago(value)
