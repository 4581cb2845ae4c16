"""Another package runs the public contract on its own broker and store, with no more than `umbel.testing`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "third_party"
CONFTEST = 'pytest_plugins = ["umbel.testing.plugin"]\n'


@pytest.fixture
def package(tmp_path):
    """A project that knows nothing of this repository's tests."""
    for path in HERE.glob("*.py"):
        shutil.copy(path, tmp_path)
    (tmp_path / "conftest.py").write_text(CONFTEST)

    def run(*words: str, **environment: str) -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-W", "error", *words]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        done = subprocess.run(command, cwd=tmp_path, env={**env, **environment}, capture_output=True, text=True, timeout=110, check=False)
        return done.stdout + done.stderr

    return run


def test_a_broker_that_keeps_the_contract(package):
    out = package("check_tiny_broker.py", CONNECT="connect")
    passed = re.search(r"^(\d+) passed in", out, re.MULTILINE)
    assert passed, out
    assert int(passed[1]) >= 45


def test_one_that_does_not_is_told_by_the_values_that_differ(package):
    out = package("check_tiny_broker.py", "-k", "requeued or handed_back or hands_back", CONNECT="connect_forgetful")
    assert "test_a_requeued_message_comes_first_and_uncounted" in out
    assert re.search(r"AssertionError: 0 of 1 deliveries within|assert .* == ", out), out
    assert re.search(r"\d+ failed", out), out


def test_a_store_that_keeps_the_contract(package):
    out = package("check_own_store.py")
    passed = re.search(r"^(\d+) passed in", out, re.MULTILINE)
    assert passed, out
    assert int(passed[1]) > 25


def test_a_lease_store_that_keeps_the_contract(package):
    out = package("check_own_lease_store.py")
    passed = re.search(r"^(\d+) passed in", out, re.MULTILINE)
    assert passed, out
    assert int(passed[1]) > 20


def test_fixtures_for_a_projects_own_tests(package, tmp_path):
    (tmp_path / "test_own.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def add(umbel_app):\n"
        "    @umbel_app.task\n"
        "    def add(x, y):\n"
        "        return x + y\n"
        "    return add\n"
        "def test_adding(add, umbel_worker):\n"
        "    assert add.delay(1, 2).get(timeout=10) == 3\n"
    )
    out = package("test_own.py")
    assert "1 passed" in out, out


def test_nobody_pays_for_them_who_does_not_ask(package, tmp_path):
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "test_other.py").write_text("import sys\ndef test_it():\n    assert 'umbel' not in sys.modules\n")
    out = package("test_other.py")
    assert "1 passed" in out, out
