"""Imports go down only, and ``import umbel`` is light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Clients of brokers and stores, and what only one command needs.
HEAVY = (
    "redis hiredis sqlalchemy msgpack yaml zstandard brotli orjson uvloop rich pygments jieba pytest hypothesis "
    "umbel.clients.amqp umbel.clients.redis umbel.clients.sqlite umbel.brokers.amqp umbel.brokers.redis umbel.brokers.sqlite "
    "umbel.results.redis umbel.results.sqlite umbel.worker umbel.pools umbel.cli"
).split()


def python(code: str) -> str:
    # As users run it: with the bytecode of the last time.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT, env=env)
    return done.stdout


def modules_after(statement: str) -> set[str]:
    printed = python(f"import sys, json; {statement}; print(); print(json.dumps(sorted(sys.modules)))")
    return set(json.loads(printed.splitlines()[-1]))


def test_layers():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_import_umbel_brings_no_client_library():
    assert not {name for name in modules_after("import umbel") for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")}


def test_help_brings_neither_app_nor_rich():
    loaded = modules_after("from umbel.cli.main import run; run(['--help'])")
    assert not loaded & {"rich", "umbel.app.app", "umbel.worker.worker", "asyncio"}


@pytest.mark.parametrize(("statement", "most"), [("import umbel", 50), ("from umbel import Umbel", 200)])
def test_import_umbel_is_quick(statement, most):
    """Modules beyond those of an empty interpreter: each costs about half a millisecond, on whatever machine."""
    assert len(modules_after(statement) - modules_after("pass")) <= most
