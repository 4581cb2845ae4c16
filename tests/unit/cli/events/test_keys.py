from __future__ import annotations

import pytest

from umbel.cli.events.keys import keys_of, pressed
from umbel.cli.events.model import Quit, Seen, TaskRow, Tell, View, WorkerRow

SEEN = Seen(
    workers=(WorkerRow(name="w1", alive=True), WorkerRow(name="w2", alive=True)),
    tasks=tuple(TaskRow(id=f"id-{number}", name=f"t{number}", state="STARTED") for number in range(3)),
    known=3,
)


def press(keys, view=None, seen=SEEN):
    """The view after some keys, and what is to be done after the last."""
    view, action = view or View(), None
    for key in keys:
        view, action = pressed(view, key, seen)
    return view, action


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("jk", ["j", "k"]),
        ("\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        ("\x1b[5~\x1b[6~\x1b[H\x1b[F", ["pageup", "pagedown", "home", "end"]),
        ("\r\n", ["enter", "enter"]),
        ("\x1b", ["escape"]),
        ("\x1b[1;5C\x1b[24~x", ["x"]),
        ("\x7fé", ["backspace", "é"]),
    ],
)
def test_keys_have_names(text, keys):
    assert keys_of(text) == keys


def test_moving_stops_at_both_ends():
    assert press(["j"])[0].task == "id-1"
    assert press(["j", "down", "j", "j"])[0].task == "id-2"
    assert press(["end"])[0].task == "id-2"
    assert press(["j", "k", "k"])[0].task is None  # the newest, whichever it is
    assert press(["j"], seen=Seen())[0] == View()


def test_a_selected_task_stays_selected_when_others_come_before_it():
    view, _ = press(["j"])
    later = Seen(tasks=(TaskRow(id="new", name="n", state="RECEIVED"), *SEEN.tasks))
    assert later.tasks[view.selected(later)].id == "id-1"
    gone = Seen(tasks=SEEN.tasks[:1])
    assert view.current(gone) == "id-0"


def test_workers_have_a_selection_of_their_own():
    view, _ = press(["j", "w", "j"])
    assert (view.pane, view.worker, view.task) == ("workers", "w2", "id-1")
    assert press(["w"], view)[0].pane == "tasks"
    assert "Select a task" in press(["r"], view)[0].note


@pytest.mark.parametrize("key", ["enter", "i"])
def test_details_open_and_close(key):
    view, _ = press(["j", key])
    assert (view.opened, view.task) == (True, "id-1")
    assert press(["j", "j"], view)[0].scrolled == 2
    assert press(["j", "k", "k"], view)[0].scrolled == 0
    for close in ("escape", "q", key):
        assert press([close], view) == (press(["j"])[0], None)
    assert press([key], seen=Seen())[0].opened is False


def test_pause_and_leave():
    assert press(["p"])[0].paused
    assert press(["p", "p"])[0].paused is False
    assert press(["q"])[1] == Quit()
    assert press(["z"]) == (View(), None)


def test_events_are_turned_on():
    assert press(["e"])[1] == Tell("enable_events")


@pytest.mark.parametrize(("key", "terminate"), [("r", False), ("t", True)])
def test_a_task_is_revoked_when_that_is_confirmed(key, terminate):
    view, action = press(["j", key])
    assert action is None
    assert view.question.text.startswith("Revoke t1 id-1")
    view, action = press(["y"], view)
    assert action == Tell("revoke", (("task_id", ["id-1"]), ("terminate", terminate), ("signal", "SIGTERM")))
    assert view.question is None
    for no in ("n", "q", "enter"):
        view, action = press(["j", key, no])
        assert (view.question, view.note, action) == (None, "Nothing was done.", None)


def test_the_question_stays_about_the_task_it_was_asked_for():
    view, _ = press(["r"])
    later = Seen(tasks=(TaskRow(id="new", name="n", state="RECEIVED"), *SEEN.tasks))
    assert dict(press(["y"], view, later)[1].arguments)["task_id"] == ["id-0"]


def test_a_rate_limit_is_typed():
    view, action = press(["l", *"19", "backspace", *"0/m", "enter"])
    assert action == Tell("rate_limit", (("task_name", "t0"), ("rate_limit", "10/m")))
    assert view.question is None
    view, action = press(["l", *"soon", "enter"])
    assert action is None
    assert view.note == "soon is no rate"
    assert view.question.typed == "soon"
    assert press(["escape"], view)[0].question is None
    assert press(["l", "enter"])[1] is None
    assert press(["l", "0", "enter"])[1] == Tell("rate_limit", (("task_name", "t0"), ("rate_limit", "0")))


def test_what_is_asked_for_without_a_task_says_so():
    for key in "rtl":
        assert press([key], seen=Seen())[0].note == "No task is selected."
    nameless = Seen(tasks=(TaskRow(id="a", name="", state="STARTED"),))
    assert "not known" in press(["l"], seen=nameless)[0].note
