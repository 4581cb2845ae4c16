import sys

import pytest

from umbel.app.discovery import find_app
from umbel.errors import ImproperlyConfigured

MAKE = "from umbel import Umbel\n{} = Umbel('{}', set_as_current=False)\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)

    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def found(text):
    result = find_app(text)
    return result.app.main, result.import_path


def test_attribute_app_then_celery_then_any(folder):
    folder("one.py", MAKE.format("other", "other") + MAKE.format("celery", "celery") + MAKE.format("app", "app"))
    folder("two.py", MAKE.format("other", "other") + MAKE.format("celery", "celery"))
    folder("three.py", MAKE.format("other", "other"))
    assert found("one") == ("app", "one:app")
    assert found("two") == ("celery", "two:celery")
    assert found("three") == ("other", "three:other")


def test_explicit_attributes(folder):
    folder("one.py", MAKE.format("app", "app") + MAKE.format("other", "other"))
    assert found("one:other") == ("other", "one:other")
    assert found("one.other") == ("other", "one:other")


def test_the_module_celery_inside_a_package(folder):
    folder("proj/__init__.py")
    folder("proj/celery.py", MAKE.format("app", "inner"))
    assert found("proj") == ("inner", "proj.celery:app")
    assert found("proj.celery") == ("inner", "proj.celery:app")


def test_a_package_that_imports_its_app(folder):
    folder("proj/__init__.py", "from .celery import app as celery_app\n")
    folder("proj/celery.py", MAKE.format("app", "inner"))
    assert found("proj")[0] == "inner"
    assert found("proj:celery_app") == ("inner", "proj:celery_app")


def test_nested_modules(folder):
    folder("tasks/__init__.py")
    folder("tasks/task1/__init__.py")
    folder("tasks/task1/task1_1.py", MAKE.format("app", "deep"))
    assert found("tasks.task1.task1_1") == ("deep", "tasks.task1.task1_1:app")


def test_a_factory(folder):
    folder("one.py", "from umbel import Umbel\ndef make():\n    return Umbel('made', set_as_current=False)\n")
    assert found("one:make")[0] == "made"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("taks", ["no module 'taks'", "Did you mean -A tasks?"]),
        ("tasks:ap", ["has no 'ap'", "did you mean tasks:app"]),
        ("tasks:add", ["is not an app", "tasks:app"]),
        ("tasks.nope", ["neither a module nor an attribute 'nope'"]),
        ("tasks.py", ["expected the name of a module", "-A tasks"]),
        ("./proj/tasks.py", ["-A proj.tasks"]),
        ("tasks.py:app", ["-A tasks:app"]),
        ("/elsewhere/tasks.py", ["--workdir /elsewhere -A tasks?"]),
        (".", ["expected the name of a module"]),
        ("unlike", ["no module 'unlike'", "here it could be -A tasks."]),
        ("empty", ["no app in module 'empty'", "It has: thing"]),
        ("sub", ["the folder ", "Did you mean -A sub.deep?"]),
        ("tasks:sell", ["the task tasks.sell", "tasks:app"]),
        ("broken", ["importing it failed with ZeroDivisionError"]),
        ("missing_import", ["importing it failed with ModuleNotFoundError", "not_installed"]),
        ("", ["expected the name of a module"]),
    ],
)
def test_errors_say_what_was_looked_for_and_found(folder, text, words):
    folder("tasks.py", MAKE.format("app", "app") + "class add: ...\n@app.task\ndef sell(): ...\n")
    folder("sub/deep.py", MAKE.format("app", "app"))
    folder("empty.py", "import json\nfrom pathlib import Path\nthing = 1\n")
    folder("broken.py", "1 / 0\n")
    folder("missing_import.py", "import not_installed\n")
    with pytest.raises(ImproperlyConfigured) as caught:
        find_app(text)
    for word in words:
        assert word in str(caught.value)


def test_an_app_knows_where_it_lives(folder):
    folder("one.py", MAKE.format("this", "x"))
    import one

    assert one.this.import_path == "one:this"
