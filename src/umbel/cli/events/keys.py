"""Keys of the live view: from bytes to names, and from names to what they do. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from umbel.cli.events.model import Action, Question, Quit, Seen, Tell, View, names_of
from umbel.runtime.logs import escape
from umbel.runtime.rates import rate

#: What terminals send for keys that are no characters.
_SEQUENCES: Final = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "\x1b[5~": "pageup", "\x1b[6~": "pagedown", "\x1b[H": "home",
    "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x1bOH": "home", "\x1bOF": "end", "\r": "enter", "\n": "enter", "\x1b": "escape",
    "\x7f": "backspace", "\x08": "backspace",
}  # fmt: skip
_KEY: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)
_MOVES: Final = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -10, "pagedown": 10, "home": -1_000_000, "end": 1_000_000}
#: Characters of an answer.
_LONGEST: Final = 20


def keys_of(text: str) -> list[str]:
    """Name the keys in what a terminal has sent; those that nobody knows are left out.

    Args:
        text: as it came.
    """
    found = (_SEQUENCES.get(each, each) for each in _KEY.findall(text))
    return [each for each in found if not each.startswith("\x1b")]


def pressed(view: View, key: str, seen: Seen) -> tuple[View, Action | None]:
    """Decide what a key does.

    Args:
        view: where the user is.
        key: its name.
        seen: the cluster, as the user sees it.

    Returns:
        Where the user is then, and what is to be done.
    """
    if view.question is not None:
        return _answered(view, view.question, key)
    view = replace(view, note="")
    if key == "q" and not view.opened:
        return view, Quit()
    if key == "e":
        return replace(view, note="Asking all workers to tell of their tasks …"), Tell("enable_events")
    if key in _MOVES:
        return _moved(view, _MOVES[key], seen), None
    if key in {"r", "t", "l"}:
        return _asked(_held(view, seen), key, seen), None
    return _turned(view, key, seen), None


def _turned(view: View, key: str, seen: Seen) -> View:
    """The view after a key that changes nothing else."""
    if key == "p":
        return replace(view, paused=not view.paused)
    if key in {"enter", "i"}:
        is_open = not view.opened and view.current(seen) is not None
        return replace(_held(view, seen), opened=is_open, scrolled=0)
    if key in {"escape", "q"}:
        return replace(view, opened=False)
    if key == "w" and not view.opened:
        return replace(view, pane="workers" if view.pane == "tasks" else "tasks")
    return view


def _held(view: View, seen: Seen) -> View:
    """The same, with the selection by its name: others may come before it."""
    return replace(view, task=view.current(seen)) if view.pane == "tasks" else replace(view, worker=view.current(seen))


def _moved(view: View, by: int, seen: Seen) -> View:
    if view.opened:
        return replace(view, scrolled=min(max(0, view.scrolled + by), 10_000 if by > 0 else view.scrolled))
    names = names_of(view.pane, seen)
    if not names:
        return view
    place = min(max(0, view.selected(seen) + by), len(names) - 1)
    if view.pane == "workers":
        return replace(view, worker=names[place])
    return replace(view, task=names[place] if place else None)  # at the top it stays with the newest


def _asked(view: View, key: str, seen: Seen) -> View:
    task = seen.task(view.task) if view.pane == "tasks" else None
    if task is None:
        return replace(view, note="No task is selected." if view.pane == "tasks" else "Select a task first: w goes there.")
    name = escape(task.name or "?")
    if key == "l":
        if not task.name:
            return replace(view, note="The name of this task is not known.")
        return replace(view, question=Question(topic="rate", about=task.name, text=f"Rate limit of {name}, e.g. 10/m, 0 for none:"))
    if key == "r":
        return replace(view, question=Question(topic="revoke", about=task.id, text=f"Revoke {name} {task.id[:8]}? y/n"))
    return replace(
        view, question=Question(topic="terminate", about=task.id, text=f"Revoke {name} {task.id[:8]}, and end it if it runs? y/n")
    )


def _answered(view: View, question: Question, key: str) -> tuple[View, Action | None]:
    closed = replace(view, question=None)
    if key == "escape":
        return closed, None
    if question.topic == "rate":
        return _typed(view, question, key)
    if key.lower() != "y":
        return replace(closed, note="Nothing was done."), None
    arguments = (("task_id", [question.about]), ("terminate", question.topic == "terminate"), ("signal", "SIGTERM"))
    return replace(closed, note=f"{question.topic}: telling all workers …"), Tell("revoke", arguments)


def _typed(view: View, question: Question, key: str) -> tuple[View, Action | None]:
    typed = question.typed
    if key == "enter":
        closed = replace(view, question=None)
        if not typed.strip():
            return replace(closed, note="Nothing was done."), None
        try:
            rate(float(typed) if typed.strip().replace(".", "", 1).isdecimal() else typed)
        except ValueError:
            return replace(view, note=f"{typed} is no rate"), None
        arguments = (("task_name", question.about), ("rate_limit", typed.strip()))
        return replace(closed, note="rate limit: telling all workers …"), Tell("rate_limit", arguments)
    if key == "backspace":
        typed = typed[:-1]
    elif len(key) == 1 and key.isprintable() and len(typed) < _LONGEST:
        typed += key
    return replace(view, question=replace(question, typed=typed), note=""), None
