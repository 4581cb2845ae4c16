"""``import celery`` is ours after ``import umbel.compat.celery``, or with the variable; in a process of its own, for it changes the whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from umbel.compat.alias.finder import AliasFinder, NotInUmbel

PROGRAM = """
import json, sys
{first}
import celery, celery.app.task
from celery import Celery, Task, chain, shared_task
from celery.result import AsyncResult
from celery.contrib.abortable import AbortableTask
import umbel, umbel.errors

def text_of(statement):
    try:
        exec(statement)
    except ImportError as error:
        return str(error)

app = Celery("proj", broker="memory://")
print(json.dumps({{
    "names": [Celery is umbel.Celery, Task is umbel.Task, AsyncResult is umbel.AsyncResult, celery.app.task.Task is Task],
    "submodule": celery.exceptions.Ignore is umbel.errors.Ignore,
    "elsewhere": text_of("from celery.app.trace import build_tracer"),
    "unknown": text_of("import celery.nonsense"),
    "has": [hasattr(celery, "nonsense"), hasattr(celery, "chain")],
    "default": type(celery.current_app._get_current_object()).__name__,
    "main": celery.__spec__.name,
    "version": celery.VERSION[:2],
    "heavy": sorted({{"click", "asyncio", "sqlite3", "pytest"}} & set(sys.modules)),
}}))
"""


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )


@pytest.mark.parametrize(("first", "environment"), [("import umbel.compat.celery", {}), ("import umbel", {"UMBEL_AS_CELERY": "1"})])
def test_a_program(first, environment):
    done = run("-W", "error", "-c", PROGRAM.format(first=first), **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "names": [True] * 4,
        "submodule": True,
        "elsewhere": "Umbel has no celery.app.trace.build_tracer: use the signals task_prerun and task_postrun, or a base class of tasks",
        "unknown": "Umbel has no celery.nonsense; what a project can use of Celery is listed in docs/guide/moving-from-celery.md",
        "has": [False, True],
        "default": "Celery",
        "main": "celery",
        "version": [5, 7],
        "heavy": [],
    }


def test_an_installed_celery_loses(tmp_path):
    (tmp_path / "celery").mkdir()
    (tmp_path / "celery" / "__init__.py").write_text("who = 'the real one'\n")
    (tmp_path / "celery" / "result.py").write_text("who = 'the real one'\n")
    program = "import umbel.compat.celery, celery, celery.result; print(hasattr(celery, 'who'), hasattr(celery.result, 'who'))"
    assert run("-c", program, PYTHONPATH=str(tmp_path)).stdout.split() == ["False", "False"]
    late = run("-c", "import celery, umbel.compat.celery", PYTHONPATH=str(tmp_path))
    assert "celery was imported already, from " in late.stderr
    assert "set UMBEL_AS_CELERY=1 in the environment" in late.stderr


def test_an_installed_kombu_stays(tmp_path):
    (tmp_path / "kombu").mkdir()
    (tmp_path / "kombu" / "__init__.py").write_text("who = 'the real one'\n")
    program = "import umbel.compat.celery, kombu; print(hasattr(kombu, 'who'), hasattr(kombu, 'Queue'))"
    assert run("-c", program, PYTHONPATH=str(tmp_path)).stdout.split() == ["True", "False"]
    assert run("-c", program).stdout.split() == ["False", "True"]


def test_python_m_celery():
    done = run(
        "-c", "import umbel.compat.celery, runpy, sys; sys.argv[1:] = ['--version']; runpy.run_module('celery', run_name='__main__')"
    )
    assert done.stdout.startswith("umbel "), done.stderr


def test_children_of_the_process_have_it():
    program = (
        "import umbel.compat.celery, subprocess, sys; subprocess.run([sys.executable, '-c', 'import umbel, celery; print(celery.SERIES)'])"
    )
    assert run("-c", program).stdout == "umbel\n"


def test_the_finder_leaves_other_packages_alone():
    finder = AliasFinder(frozenset({"celery"}))
    assert finder.find_spec("celerys") is None
    assert finder.find_spec("json") is None
    spec = finder.find_spec("celery")
    assert spec.submodule_search_locations == []
    assert spec.origin == "umbel as celery"
    assert finder.find_spec("celery.result") is None  # of a package that is not ours


def test_errors_are_import_errors():
    assert issubclass(NotInUmbel, ImportError)
