"""Which Pythons `make test-all` runs, and how it finds them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "scripts" / "versions.py"


@pytest.fixture(scope="module")
def versions():
    spec = importlib.util.spec_from_file_location("versions", PATH)
    module = sys.modules["versions"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["versions"]


def program(path: Path, version: str, code: int = 0) -> str:
    """A stand-in for a Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without any Python."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setenv("PYENV_ROOT", f"{tmp_path}/pyenv")
    return tmp_path


def test_the_claims_are_the_classifiers(versions):
    text = """
        [project]
        classifiers = ["Programming Language :: Python :: 3 :: Only", "Programming Language :: Python :: 3.9",
                       "Programming Language :: Python :: 3.12", "Programming Language :: Python :: Implementation :: CPython"]
    """
    assert versions.claimed("\n".join(line.strip() for line in text.splitlines())) == ("3.9", "3.12")


def test_one_on_the_path_is_found(versions, machine):
    there = program(machine / "bin" / "python3.12", "3.12")
    assert versions.find("3.12") == there
    assert versions.find("3.13") is None


def test_one_that_does_not_run_is_passed_over(versions, machine):
    program(machine / "bin" / "python3.12", "3.12", code=127)
    there = program(machine / "pyenv" / "versions" / "3.12.1" / "bin" / "python", "3.12")
    assert versions.find("3.12") == there


def test_of_several_releases_the_latest_is_taken(versions, machine):
    for release in ("3.12.2", "3.12.10", "3.12.9"):
        program(machine / "pyenv" / "versions" / release / "bin" / "python", "3.12")
    assert versions.find("3.12") == f"{machine}/pyenv/versions/3.12.10/bin/python"


def test_the_build_without_the_lock_is_another_one(versions, machine):
    program(machine / "pyenv" / "versions" / "3.14.0" / "bin" / "python", "3.14")
    free = program(machine / "pyenv" / "versions" / "3.14.0t" / "bin" / "python", "3.14t")
    assert versions.find("3.14t") == free
    assert versions.find("3.14") == f"{machine}/pyenv/versions/3.14.0/bin/python"


def test_uv_and_the_launcher_are_asked(versions, machine):
    there = program(machine / "elsewhere", "3.13")
    program(machine / "bin" / "uv", there)
    assert versions.find("3.13") == there
    (machine / "bin" / "uv").unlink()
    program(machine / "bin" / "py", there)
    assert versions.find("3.13") == there


def test_this_python_is_of_its_own_version(versions):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert versions.is_version(sys.executable, version) or versions.is_version(sys.executable, version + "t")
    assert not versions.is_version(sys.executable, "3.1")


@pytest.mark.parametrize(
    ("line", "summary"),
    [
        ("4012 passed, 3 skipped in 512.01s (0:08:32)", "4012 passed, 3 skipped"),
        ("=== 1 failed, 2 passed in 0.52s ===", "1 failed, 2 passed"),
        ("RabbitMQ: 127.0.0.1:5672", None),
    ],
)
def test_the_last_line_of_pytest_is_known(versions, line, summary):
    match = versions._SUMMARY.match(line)
    assert (match and match[1]) == summary


def run_all(versions, monkeypatch, verdicts, arguments=()):
    monkeypatch.setattr(versions, "run", lambda version, promised, _: versions.Ran(version, promised, verdicts.get(version, "not found")))
    return versions.main(list(arguments))


def test_a_version_that_is_not_here_is_told_and_no_failure(versions, monkeypatch, capsys):
    assert run_all(versions, monkeypatch, {"3.11": "passed"}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Python 3.11   passed") for line in lines)
    assert any(line.startswith("Python 3.12   not found") for line in lines)


def test_a_claimed_version_that_fails_fails_all(versions, monkeypatch):
    assert run_all(versions, monkeypatch, {"3.11": "passed", "3.12": "failed"}) == 1


def test_what_is_not_claimed_cannot_fail_and_proves_nothing(versions, monkeypatch):
    assert run_all(versions, monkeypatch, {"3.11": "passed", "3.14t": "failed"}) == 0
    assert run_all(versions, monkeypatch, {"3.14t": "passed"}) == 1


def test_some_versions_only(versions, monkeypatch, capsys):
    assert run_all(versions, monkeypatch, {"3.11": "failed", "3.12": "passed"}, ["--only", "3.12"]) == 0
    assert "3.11" not in capsys.readouterr().out
