"""Names that a script and a worker give to one task."""

from __future__ import annotations

import subprocess
import sys

import pytest

from umbel.execution.preparing.task_names import hint


@pytest.mark.parametrize(
    ("name", "found"),
    [("tasks.add", "exp.add"), ("add", "exp.add"), ("tasks.Add", "exp.add"), ("tasks.sub", ""), ("", ""), ("x" * 9000, "")],
)
def test_a_task_of_the_same_last_word_is_named(name, found):
    said = hint(name, ["exp.add", "exp.mul"])
    assert (found in said) if found else said == ""


PROGRAM = """
from umbel import Umbel

app = Umbel({main!r}, broker="memory://")

@app.task{options}
def add(x, y):
    return x + y

if __name__ == "__main__":
    add.delay(1, 2)
    add.delay(1, 2)
"""


@pytest.mark.parametrize(
    ("main", "options", "words"),
    [
        ("tasks", "", ["exp.py"]),
        ("exp", "", ["exp.py"]),
        ("proj.exp", "", ["exp.py"]),
        ("tasks", "(name='tasks.add_up')", ["exp.py"]),
        ("tasks", "", ["-m", "exp"]),
    ],
)
def test_a_program_whose_worker_will_not_know_its_tasks_is_told_once(tmp_path, main, options, words):
    (tmp_path / "exp.py").write_text(PROGRAM.format(main=main, options=options))
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    told = main == "tasks" and not options
    assert done.stderr.count("a worker that imports it (-A exp) has exp.add") == told
