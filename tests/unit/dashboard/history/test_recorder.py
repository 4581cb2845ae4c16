"""From events to rows, and back."""

from __future__ import annotations

import sqlite3

import pytest

from umbel.dashboard.history.audit import Audit
from umbel.dashboard.history.database import Database
from umbel.dashboard.history.query import Query, parse
from umbel.dashboard.history.reading import History
from umbel.dashboard.history.recorder import Recorder
from umbel.errors import ImproperlyConfigured
from umbel.events.state import State
from umbel.testing import FakeClock


class Bench:
    """A history in a file, and events that come to it."""

    def __init__(self, path, clock=None):
        self.clock = clock or FakeClock()
        self.database = Database(None if path is None else str(path))
        self.state = State(max_tasks_in_memory=100)
        self.recorder = Recorder(self.database, self.state, self.clock)
        self.history = History(self.database, self.clock)
        self._clock = 0

    def hear(self, kind, uuid, write=True, **fields):
        self._clock += 1
        event = {
            "type": f"task-{kind}", "uuid": uuid, "hostname": "w@a", "pid": 1, "clock": self._clock, "timestamp": self.clock.now(), **fields
        }  # fmt: skip
        self.recorder.known([uuid])
        self.state.event(event)
        self.recorder.learn(event)
        if write:
            self.recorder.write()

    def run(self, uuid, name="shop.add", **end):
        self.hear("received", uuid, write=False, name=name, args="(1, 2)", kwargs="{}")
        self.hear("started", uuid, write=False)
        self.hear("succeeded", uuid, result="3", runtime=0.02, **end)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "history.db")
    yield bench
    bench.database.close()


def test_a_run(bench):
    bench.run("1")
    found = bench.history.run("1")
    assert {name: found[name] for name in ("name", "state", "args", "result", "runtime", "worker")} == {
        "name": "shop.add", "state": "SUCCESS", "args": "(1, 2)", "result": "3", "runtime": 0.02, "worker": "w@a",
    }  # fmt: skip
    assert found["ended"] == bench.clock.now()


def test_attempts_are_kept(bench):
    for number in range(3):
        bench.hear("received", "1", name="shop.add", retries=number)
        bench.hear("started", "1")
        bench.clock.advance(1)
        bench.hear("retried", "1", exception=f"ValueError({number})", traceback="Traceback")
    bench.hear("failed", "1", exception="ValueError(3)", traceback="Traceback 3")
    found = bench.history.attempts("1")
    assert [each["kind"] for each in found] == ["received", "started", "retried"] * 3
    assert [each["exception"] for each in found if each["exception"]] == ["ValueError(0)", "ValueError(1)", "ValueError(2)"]
    assert bench.history.run("1")["state"] == "FAILURE"


def test_a_task_was_sent_when_it_was_sent_first(bench):
    bench.hear("sent", "1", name="shop.add")
    first = bench.clock.now()
    bench.clock.advance(5)
    bench.hear("sent", "1", name="shop.add", retries=1)
    assert bench.history.run("1")["sent"] == first


def test_a_task_that_is_retried_for_ever_does_not_fill_the_disk(bench):
    for number in range(400):
        bench.hear("retried", "1", write=False, exception=str(number))
    bench.recorder.write()
    assert len(bench.history.attempts("1")) == 300


def test_what_was_written_before_a_restart_is_not_forgotten(tmp_path):
    first = Bench(tmp_path / "history.db")
    first.hear("received", "1", name="shop.add", args="(1,)")
    first.database.close()
    second = Bench(tmp_path / "history.db", first.clock)
    second.hear("succeeded", "1", result="2", runtime=1.0)
    found = second.history.run("1")
    second.database.close()
    assert (found["name"], found["args"], found["state"]) == ("shop.add", "(1,)", "SUCCESS")


def test_late_news_does_not_undo_an_end(bench):
    bench.run("1")
    for _ in range(200):  # it leaves the state's memory
        bench.hear("received", f"other-{_}", write=False, name="x")
    bench.recorder.write()
    assert "1" not in bench.state.tasks
    bench.hear("started", "1", hostname="other@b")
    assert bench.history.run("1")["state"] == "SUCCESS"


def test_search(bench):
    bench.run("1", name="shop.add")
    bench.run("2", name="shop.pay")
    bench.hear("received", "3", name="mail.send", kwargs="{'to': 'ann@example.com'}")
    bench.hear("failed", "3", exception="ConnectionError('refused by mx1')", traceback="…")

    def ids(text):
        return {run["id"] for run in bench.history.search(parse(text)).runs}

    assert ids("") == {"1", "2", "3"}
    assert ids("task:shop.*") == {"1", "2"}
    assert ids("refus") == ids("state:FAILURE") == ids("ann@example.com") == {"3"}
    assert ids("refused pay") == set()
    assert ids("id:1") == {"1"}
    assert ids("since:1h worker:w@a") == {"1", "2", "3"}
    assert (bench.history.states(), bench.history.names()) == ({"SUCCESS": 2, "FAILURE": 1}, ["mail.send", "shop.add", "shop.pay"])
    assert bench.history.count(parse("shop")) == 2


def test_pages_follow_one_another(bench):
    for number in range(25):
        bench.run(f"{number:02}")
    found, before = [], None
    while True:
        page = bench.history.search(Query(limit=10, before=before))
        found += [run["id"] for run in page.runs]
        before = page.next
        if before is None:
            break
    assert found == [f"{number:02}" for number in reversed(range(25))]


def test_figures(bench):
    bench.run("1")
    bench.hear("failed", "2", name="shop.pay", exception="x")
    bench.recorder.gauge(1, 2, 5)
    bench.recorder.write()
    for span in ("1h", "24h", "30d"):
        lines = bench.history.series(span)
        assert (sum(lines["succeeded"]), sum(lines["failed"]), max(each or 0 for each in lines["ready"])) == (1, 1, 5)
    assert [(each["name"], each["failed"]) for each in bench.history.by_task("1h")] == [("shop.pay", 1), ("shop.add", 0)]


def test_old_runs_and_too_many_go(bench):
    bench.run("old")
    bench.clock.advance(10 * 86_400)
    for number in range(10):
        bench.run(str(number))
    assert bench.recorder.trim(keep=86_400, most=100) == 1
    assert bench.history.run("old") is None
    assert bench.recorder.trim(keep=86_400, most=4) == 6
    assert sum(bench.history.states().values()) == 4
    assert bench.history.count(parse("shop")) == 4


def test_two_dashboards_do_not_write_one_file(bench):
    with pytest.raises(ImproperlyConfigured, match="--history"):
        Database(bench.database.path)


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    with pytest.raises(ImproperlyConfigured, match="another program"):
        Database(str(path))


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    with pytest.raises(ImproperlyConfigured, match=r"notes\.txt"):
        Database(str(tmp_path / "notes.txt"))


def test_without_a_file_nothing_stays():
    database = Database(None)
    path = database.path
    database.close()
    with pytest.raises(sqlite3.OperationalError):
        sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def test_audit(bench):
    audit = Audit(bench.database, bench.clock)
    audit.note("ann", "10.0.0.1", "purge queue", "celery", {"reason": "old"}, "dropped 3")
    (row,) = audit.latest()
    assert (row["user"], row["action"], row["subject"], row["detail"]) == ("ann", "purge queue", "celery", '{"reason": "old"}')
