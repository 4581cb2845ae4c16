"""``umbel doctor`` on real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from umbel.cli.options import EX_FAILURE

TASKS = """
from umbel import Umbel
app = Umbel("doctored")

@app.task
def add(x, y):
    return x + y
"""


@pytest.fixture
def doctor(tmp_path):
    (tmp_path / "doctored.py").write_text(TASKS)

    def run(broker, backend, *options):
        command = [
            sys.executable,
            "-m",
            "umbel",
            "-A",
            "doctored",
            "-b",
            broker,
            "--result-backend",
            backend,
            "doctor",
            "--json",
            "-t",
            "0.2",
            *options,
        ]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False, timeout=60)
        assert "Traceback" not in done.stderr
        found = json.loads(done.stdout)
        return done.returncode, found["status"], {(each["subject"], each["level"]): each["text"] for each in found["findings"]}

    return run


@pytest.mark.redis
@pytest.mark.rabbitmq
@pytest.mark.postgresql
@pytest.mark.mariadb
def test_real_servers_are_looked_over(doctor, redis_url, rabbitmq_url, postgresql_url, mariadb_url):
    code, status, found = doctor(rabbitmq_url, postgresql_url)
    assert (code, status) == (0, "warning")
    assert "is confirmed in" in found["broker", "ok"]
    assert found["result store", "ok"].startswith("postgresql 1")
    assert found["workers", "warning"] == "no worker answers"
    code, _, found = doctor(redis_url, mariadb_url, "--strict")
    assert code == EX_FAILURE
    assert "is confirmed in" in found["broker", "ok"]
    assert "answers in" in found["result store", "ok"]


def test_what_cannot_be_reached_is_an_error_without_its_password(doctor):
    code, status, found = doctor("redis://:hunter2@127.0.0.1:1/0", "cache+memory://")
    assert (code, status) == (2, "error")
    assert "127.0.0.1:1" in found["broker", "error"]
    assert "hunter2" not in str(found)
