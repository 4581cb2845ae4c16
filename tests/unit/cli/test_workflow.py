"""``umbel workflow`` and ``umbel result --follow``: what they print, and how they end."""

from __future__ import annotations

import importlib
import json
import threading

import pytest

from umbel.cli import following
from umbel.cli.workflow_tree import lines_of, painted, waiting
from umbel.messages.ids import uuid7
from umbel.results.model import Record
from umbel.results.workflow.links import Links
from umbel.results.workflow.standing import workflow_of


@pytest.fixture
def app(module, tmp_path):
    import sys

    sys.path.insert(0, str(tmp_path))
    app = importlib.import_module(module).app
    yield app
    app.close()


def put(app, task_id, status="SUCCESS", **fields):
    app.store.store([Record(task_id=task_id, status=status, **fields)])


FAILURE = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}


@pytest.fixture
def order(app):
    """A chord that was kept: ``first | group(m0 | m1, m2) | body``."""
    first = app.AsyncResult("first", task_name="shop.first")
    m1 = app.AsyncResult("m1", task_name="shop.pack", parent=app.AsyncResult("m0", task_name="shop.price"))
    group = app.GroupResult("g", [m1, app.AsyncResult("m2", task_name="shop.price")], parent=first)
    body = app.AsyncResult("body", task_name="shop.total", parent=group)
    body.save()
    return body


def end(app, *task_ids):
    for task_id in task_ids:
        put(app, task_id, result=task_id)


def test_the_tree(umbel, module, app, order):
    end(app, "first", "m0")
    put(app, "m2", "\x1b[2J", result={"current": 1, "total": 4})
    ended = umbel("-A", module, "workflow", "body")
    assert ended.out.splitlines() == [
        "shop.first    SUCCESS       first",
        "2 members: 1 PENDING, 1 \\x1b[2J  g",
        "• shop.price  SUCCESS       m0",
        "  shop.pack   PENDING       m1",
        "• shop.price  \\x1b[2J  25%  m2",
        "shop.total    PENDING       body",
        "5 tasks: 2 SUCCESS, 2 PENDING, 1 \\x1b[2J.",
        "Waiting for shop.pack, shop.price.",
    ]
    assert ended.code == 69


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ({}, 69),
        ({"first": "SUCCESS"}, 69),
        ({"first": "FAILURE"}, 1),
        ({"first": "REVOKED"}, 1),
        (dict.fromkeys(("first", "m0", "m1", "m2", "body"), "SUCCESS"), 0),
    ],
)
def test_exit_codes(umbel, module, app, order, states, code):
    for task_id, state in states.items():
        put(app, task_id, state, result=FAILURE if state == "FAILURE" else None)
    assert umbel("-A", module, "workflow", "body").code == code
    assert umbel("-A", module, "workflow", "body", "--json").code == code


def test_a_task_that_is_gone(umbel, module, app):
    assert umbel("-A", module, "workflow", uuid7(1_000_000_000.0)).code == 1


def test_json_and_dot(umbel, module, app, order):
    put(app, "first", "FAILURE", result=FAILURE)
    document = json.loads(umbel("-A", module, "workflow", "body", "--json").out)
    assert [node["id"] for node in document["nodes"]] == ["first", "g", "m0", "m1", "m2", "body"]
    assert document["nodes"][0]["error"] == "ValueError: no"
    assert umbel("-A", module, "workflow", "body", "--dot").out.startswith("digraph workflow {\n")
    both = umbel("-A", module, "workflow", "body", "--dot", "--json")
    assert (both.code, both.err) == (2, "Error: --json or --dot? One of them.\n")


def test_what_is_cut_is_told(umbel, module, app, order):
    ended = umbel("-A", module, "workflow", "body", "--nodes", "3")
    assert "Not all of it: it has more than 3 tasks and groups." in ended.out


def test_a_store_that_shows_results_to_their_callers_alone(umbel, module, app):
    ended = umbel("-A", module, "workflow", "x", "--result-backend", "rpc://")
    assert (ended.code, "to its own caller alone" in ended.err) == (1, True)


@pytest.fixture
def in_steps(monkeypatch):
    """Puts records between two looks at the store, in place of waiting."""

    def arrange(*steps):
        left = list(steps)

        def wait(_reader, _workflow, _seconds):
            if not left:
                raise AssertionError("it does not end")
            left.pop(0)()

        monkeypatch.setattr(following.WorkflowReader, "wait", wait)
        monkeypatch.setattr(following, "_LEAST", 0.0)

    return arrange


def test_following_a_workflow(umbel, module, app, order, in_steps):
    in_steps(lambda: end(app, "first"), lambda: None, lambda: end(app, "m0", "m1", "m2"), lambda: end(app, "body"))
    ended = umbel("-A", module, "workflow", "body", "--follow")
    assert ended.err.splitlines() == [
        "0 of 5 tasks ended: 5 PENDING.",
        "Waiting for shop.first.",
        "1 of 5 tasks ended: 4 PENDING, 1 SUCCESS.",
        "Waiting for 2 × shop.price.",
        "4 of 5 tasks ended: 4 SUCCESS, 1 PENDING.",
        "Waiting for shop.total.",
        "5 of 5 tasks ended: 5 SUCCESS.",
    ]
    assert ended.out.endswith("\nshop.total    SUCCESS    body\n5 tasks: 5 SUCCESS.\n")
    assert ended.code == 0


def test_following_waits_for_the_store(umbel, module, app, order):
    """Without a clock of its own: a record that comes later wakes it."""
    end(app, "first", "m0", "m1", "m2")
    threading.Timer(0.3, end, (app, "body")).start()
    assert umbel("-A", module, "workflow", "body", "--follow", "--json").code == 0


def test_following_is_stopped(umbel, module, app, order, in_steps):
    def stop():
        raise KeyboardInterrupt

    in_steps(stop)
    ended = umbel("-A", module, "workflow", "body", "--follow")
    assert (ended.code, ended.err.splitlines()[-1]) == (130, "Stopped.")


class TestResult:
    def test_following_a_chord(self, umbel, module, app, order, in_steps):
        in_steps(lambda: end(app, "first", "m0"), lambda: end(app, "m1", "m2"), lambda: end(app, "body"))
        ended = umbel("-A", module, "result", "body", "--follow")
        assert (ended.code, ended.out) == (0, "body\n")
        assert [line.partition(":")[0] for line in ended.err.splitlines()] == [
            "0 of 5 tasks ended", "2 of 5 tasks ended", "4 of 5 tasks ended", "5 of 5 tasks ended",
        ]  # fmt: skip

    def test_following_a_task_with_progress(self, umbel, module, app, in_steps):
        def at(current, total):
            return lambda: put(app, "t1", "PROGRESS", result={"current": current, "total": total}, extended={"name": "shop.count"})

        in_steps(at(0, None), at(1_500, 2_000), at(1_500, 2_000), lambda: end(app, "t1"))
        ended = umbel("-A", module, "result", "t1", "-f")
        assert (ended.code, ended.out, ended.err) == (0, "t1\n", "shop.count: 0\nshop.count: 1,500 of 2,000\n")

    def test_following_a_saved_group(self, umbel, module, app, in_steps):
        app.GroupResult("g", [app.AsyncResult("a"), app.AsyncResult("b")]).save()
        in_steps(lambda: end(app, "a"), lambda: put(app, "b", "FAILURE", result=FAILURE))
        ended = umbel("-A", module, "result", "g", "--follow")
        assert (ended.code, ended.out) == (1, '["a", "ValueError: no"]\n')
        document = json.loads(umbel("-A", module, "result", "g", "--follow", "--json").out)
        assert [member["state"] for member in document["members"]] == ["SUCCESS", "FAILURE"]

    def test_what_will_not_run_is_not_waited_for(self, umbel, module, app, monkeypatch):
        monkeypatch.setattr("umbel.cli.commands.result._SOON", 0.0)
        last = app.AsyncResult("b", parent=app.AsyncResult("a"))
        last.save()
        put(app, "a", "FAILURE", result=FAILURE)
        ended = umbel("-A", module, "result", "b", "--follow")
        assert (ended.code, ended.err.splitlines()[-1]) == (1, "It will not run: a task before it has failed.")

    def test_giving_up(self, umbel, module, app):
        assert umbel("-A", module, "result", "t9", "--follow", "--timeout", "0").code == 69


def workflow(tree, names=(), **records):
    links = Links(tree, 20_000)
    for entry in links.entries.values():
        entry.is_read = True
        entry.name = dict(names).get(entry.id, "shop.articles.price")
        known = records.get(entry.id)
        entry.record = Record(task_id=entry.id, status=known, result=FAILURE) if known else None
    return workflow_of(links, lambda _: "PENDING")


def plain(found, columns=80, **options):
    return painted(lines_of(found, **options), columns, lambda text, **_: text)


class TestTree:
    def test_large_groups_are_summarised(self):
        members = [uuid7(0.0) for _ in range(1000)]
        states = dict.fromkeys(members[10:], "SUCCESS") | {members[500]: "FAILURE"}
        found = workflow([["g", None], members], **states)
        assert plain(found) == [
            "1,000 members: 989 SUCCESS, 10 PENDING, 1 FAILURE  g",
            f"• shop.articles.price  FAILURE    {members[500]}",
            "    ValueError: no",
        ]
        assert len(plain(found, everything=True)) == 1002
        assert waiting(found) == "Waiting for 10 × shop.articles.price."

    def test_long_chains_are_summarised(self):
        tree = None
        for place in range(10_000):
            tree = [[f"t{place}", tree], None]
        lines = plain(workflow(tree, t0="SUCCESS", t1="SUCCESS"))
        assert [line.split("  ")[-1] for line in lines] == ["t0", "t1", "t2", "… 9,996 more PENDING", "t9999"]

    def test_eighty_columns(self):
        ids = [uuid7(0.0) for _ in range(6)]
        tree = [[ids[0], [[ids[1], None], [[[ids[2], None], None], [[ids[3], None], [[[ids[4], None], None]]]]]], None]
        found = workflow(tree, names=[(ids[4], "warehouse.shelves.articles.count_them_all")], **{ids[2]: "SUCCESS"})
        lines = plain(found)
        assert max(map(len, lines)) <= 80
        assert all(line.endswith(each) for line, each in zip(lines, (ids[1], ids[2], ids[3], ids[4], ids[0]), strict=True))
        assert lines[3].startswith("  • …")
        assert max(map(len, plain(found, columns=200))) > 80

    def test_what_a_task_has_sent_is_set_in(self):
        links = Links("a", 100)
        links.add([["b", None], None], "a")
        links.add([["d", [["c", None], None]], None], "a")
        for entry in links.entries.values():
            entry.is_read, entry.name = True, "n"
        found = workflow_of(links, lambda _: "PENDING")
        assert [line.rpartition("  ")[0].rstrip() for line in plain(found)] == [
            "n    PENDING",
            "• n  PENDING",
            "• n  PENDING",
            "  n  PENDING",
        ]
        for place in range(20):
            links.add([[f"e{place}", None], None], "a")
            links.entries[f"e{place}"].is_read = True
        assert "  has sent 22: 22 PENDING" in plain(workflow_of(links, lambda _: "PENDING"))
