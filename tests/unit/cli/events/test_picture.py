"""Golden frames: a `State`, and what a terminal of 80 × 24 shows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from umbel.cli.events.fleet import Fleet
from umbel.cli.events.keys import pressed
from umbel.cli.events.model import Seen, TaskRow, View, WorkerRow
from umbel.cli.events.picture import frame
from umbel.cli.output import width
from umbel.events.state import State
from umbel.testing.clock import FakeClock

FRAMES = Path(__file__).parent / "frames"
CLOCK = FakeClock()
NOW = CLOCK.wall
BROKER = "redis://broker:6379/0"


def event(kind, ago, hostname="celery@web1", **fields):
    when = NOW - ago
    return {
        "type": kind,
        "hostname": hostname,
        "clock": int(10_000 - ago * 10),
        "pid": 7,
        "timestamp": when,
        "local_received": when,
        **fields,
    }


def received(uuid, ago, name, args="()", **fields):
    return event("task-received", ago, uuid=uuid, name=name, args=args, kwargs="{}", retries=0, **fields)


def beat(ago, hostname="celery@web1", **fields):
    return event(
        "worker-heartbeat", ago, hostname, freq=2.0, loadavg=[0.5, 0.4, 0.3], sw_ident="umbel", sw_ver="1.0", sw_sys="Linux", **fields
    )


EVENTS = [
    beat(12, active=0, processed=1200),
    beat(11, "celery@a-worker-with-a-name-that-is-much-too-long.example.org", active=1, processed=5),
    received("aaaaaaaa-1", 11, "shop.orders.charge_the_card_and_send_the_receipt_by_mail", "(1, 'Ada')"),
    event("task-started", 10.5, uuid="aaaaaaaa-1"),
    received("bbbbbbbb-2", 9, "shop.fail"),
    event("task-started", 9, uuid="bbbbbbbb-2"),
    event(
        "task-failed", 8, uuid="bbbbbbbb-2", exception="ValueError('\x1b[31m')", traceback="Traceback:\n  one line\nValueError: \x1b[31m and more"
    ),
    received("cccccccc-3", 6, "shop.add", "(2, 3)"),
    event("task-started", 5, uuid="cccccccc-3"),
    event("task-succeeded", 4.9, uuid="cccccccc-3", result="5", runtime=0.0123),
    received("dddddddd-4", 3, "shop.add", "(4, 5)", parent_id="cccccccc-3"),
    received("eeeeeeee-5", 2.5, "店.追加", "('日本',)"),
    beat(2, active=1, processed=1234),
]  # fmt: skip


def fleet_of(events):
    fleet = Fleet(State(clock=CLOCK))
    for each in events:
        fleet.learn(each)
    fleet.learn_slots([{"celery@web1": {"pool": {"max-concurrency": 4}}}])
    return fleet


def drawn(events, keys=(), columns=80, rows=24):
    fleet, view = fleet_of(events), View()
    for key in keys:
        view, _ = pressed(view, key, fleet.look(view, NOW))
    lines = frame(view, fleet.look(view, NOW), columns, rows, BROKER)
    assert len(lines) == rows
    assert all(width(line.text) <= columns for line in lines)
    return "\n".join(line.text.rstrip() for line in lines) + "\n"


@pytest.mark.parametrize(
    ("name", "events", "keys"),
    [
        ("tasks", EVENTS, ["j"]),
        ("workers", EVENTS, ["w", "j"]),
        ("details", EVENTS, ["j", "j", "j", "i"]),
        ("worker", EVENTS, ["w", "j", "enter"]),
        ("revoke", EVENTS, ["j", "r"]),
        ("limit", EVENTS, ["l", *"10/x", "enter"]),
        ("paused", EVENTS, ["p"]),
        ("silent", [beat(4, active=0, processed=1), beat(2, active=1, processed=4)], []),
        ("nobody", [], []),
    ],
)
def test_frames(name, events, keys):
    path = FRAMES / f"{name}.txt"
    assert drawn(events, keys) == path.read_text(encoding="utf-8")


def test_a_line_that_is_selected_is_marked_without_colour_too():
    fleet = fleet_of(EVENTS)
    lines = frame(View(task="cccccccc-3"), fleet.look(View(), NOW), 80, 24, BROKER)
    assert [line.text[:11] for line in lines if line.selected] == ["> SUCCESS  "]
    assert [line.text.startswith(">") for line in lines].count(True) == 1


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (20, 5), (40, 10), (200, 60)])
@pytest.mark.parametrize("keys", [[], ["w"], ["i"], ["l"]])
def test_it_fits_any_terminal(columns, rows, keys):
    drawn(EVENTS, keys, columns, rows)


def test_the_selected_one_of_many_is_among_those_that_are_shown():
    tasks = tuple(TaskRow(id=f"{number:08}", name="t", state="SUCCESS") for number in range(100))
    workers = tuple(WorkerRow(name=f"w{number}", alive=True) for number in range(50))
    seen = Seen(tasks=tasks, workers=workers, known=100)
    shown = [line.text for line in frame(View(task="00000070"), seen, 80, 24, BROKER) if line.selected]
    assert len(shown) == 1
    assert "00000070" in shown[0]
    shown = [line.text for line in frame(View(pane="workers", worker="w49"), seen, 80, 24, BROKER) if line.selected]
    assert len(shown) == 1
    assert "w49" in shown[0]


def test_details_are_scrolled_to_their_end_and_no_further():
    long = [received("a", 3, "t"), event("task-failed", 2, uuid="a", exception="E", traceback="\n".join(map(str, range(100))))]
    assert "more" in drawn(long, ["i"])
    at_the_end = drawn(long, ["i", "end"])
    assert "  99\n" in at_the_end
    assert "more" not in at_the_end
