"""Workflows and progress, as somebody who looks at them sees them."""

from __future__ import annotations

import pytest

from system.processes import eventually, open_gate
from umbel.canvas.signatures import chord
from umbel.results.progress import Progress


@pytest.fixture
def tasks(stage):
    stage.settings["result_extended"] = True
    stage.worker("-c", "2")
    return stage.app.tasks


def test_a_chord_of_twenty(stage, tasks):
    gate = stage.gate()
    result = chord([tasks["wait_for"].s(gate), *(tasks["add"].s(place, 1) for place in range(19))], tasks["echo"].s()).apply_async()
    result.save()

    def seen():
        return stage.app.AsyncResult(result.id).workflow()

    eventually(lambda: seen().counts == {"SUCCESS": 19, "PENDING": 2})
    assert [node.name for node in seen().waited_for] == ["wait_for"]
    assert not seen().ready()
    open_gate(gate)
    result.get(timeout=30)
    eventually(lambda: seen().ready())
    workflow = seen()
    assert workflow.successful()
    assert [node.name for node in workflow] == [None, "wait_for", *["add"] * 19, "echo"]
    assert len(workflow.root.members) == 20
    assert all(node.seconds is not None for node in workflow.tasks)


def test_a_task_with_progress(stage, tasks):
    gate = stage.gate()
    result = tasks["items"].delay(1000, gate)
    eventually(lambda: result.progress == Progress(0, 1000))
    assert result.workflow().root.progress == Progress(0, 1000)
    open_gate(gate)
    assert result.get(timeout=30) == 1000
    assert result.progress is None
