"""Celery's graph of results."""

from __future__ import annotations

import io
from graphlib import CycleError

import pytest

from umbel import Umbel
from umbel.errors import IncompleteStream
from umbel.results.model import Record
from umbel.results.workflow.graph import DependencyGraph


@pytest.fixture
def app(tmp_path):
    with Umbel("graphs", broker="memory://", backend=f"memory:///{tmp_path.name}", set_as_current=False) as app:
        yield app


def put(app, task_id, *children, status="SUCCESS"):
    app.store.store([Record(task_id=task_id, status=status, children=list(children))])


def task(task_id):
    return [[task_id, None], None]


def test_what_came_of_a_task(app):
    put(app, "a", task("a"), task("b"), [["g", None], [task("m"), task("n")]])
    put(app, "b", task("c"))
    for task_id in ("c", "m", "n"):
        put(app, task_id)
    graph = app.AsyncResult("a").graph
    assert [str(node) for node in graph] == ["a", "b", "g", "c", "m", "n"]
    assert [str(node) for node in graph.edges()] == ["a", "b", "g"]
    assert [str(node) for node in graph[app.AsyncResult("a")]] == ["b", "g"]
    assert app.AsyncResult("c") in graph
    assert (len(graph), graph.valency_of(app.AsyncResult("a")), graph.valency_of(app.AsyncResult("z"))) == (6, 5, 0)


def test_what_has_not_ended(app):
    put(app, "a", task("b"))
    with pytest.raises(IncompleteStream):
        app.AsyncResult("a").build_graph()
    assert len(app.AsyncResult("a").build_graph(intermediate=True)) == 2


def test_dot(app):
    put(app, "a", task("b"))
    put(app, "b")
    out = io.StringIO()
    app.AsyncResult("a").build_graph(formatter=lambda node: f"task {node}").to_dot(out)
    assert out.getvalue() == 'digraph dependencies {\n  node [shape=box];\n  "task a";\n  "task a" -> "task b";\n  "task b";\n}\n'


def test_a_graph_of_ones_own():
    graph = DependencyGraph([("a", ["b", "c"]), ("b", ["c"])])
    graph.add_edge("c", "d")
    assert graph.topsort() == ["d", "c", "b", "a"]
    assert (graph.valency_of("a"), graph.valency_of("d")) == (4, 0)
    other = DependencyGraph()
    other.connect(graph)
    other.add_edge("d", "a")
    assert graph["d"] == []
    assert other.valency_of("a") == 5
    with pytest.raises(CycleError):
        other.topsort()
    assert repr(graph) == "<DependencyGraph: 4 nodes, 4 edges>"
