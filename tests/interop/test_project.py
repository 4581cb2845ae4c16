"""A Celery project of thirty tasks, with tests of its own: they pass on real Celery, and on Umbel with not a letter changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from interop.conftest import BOTH
from interop.pairing import celery_python
from system.conftest import database

pytestmark = BOTH[1:]
PROJECT = Path(__file__).parent / "project"


@pytest.mark.parametrize("house", ["umbel", "celery"])
def test_its_own_tests_pass(house, request, unique, tmp_path):
    journal = tmp_path / "journal"
    journal.touch()
    env = {
        **os.environ,
        "SHOP_NAME": unique("shop"),
        "SHOP_BROKER": database(request, 5),
        "SHOP_BACKEND": database(request, 6),
        "SHOP_JOURNAL": str(journal),
        "C_FORCE_ROOT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    if house == "umbel":
        env["UMBEL_AS_CELERY"] = "1"
    python = str(celery_python()) if house == "celery" else sys.executable
    command = [python, "-m", "unittest", "shop.tests"]
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=110, check=False)
    log = Path(f"{journal}.log")
    assert done.returncode == 0, done.stderr[-5000:] + (log.read_text()[-3000:] if log.exists() else "")
    assert "\nOK" in done.stderr
