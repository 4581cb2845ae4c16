"""Projects that are written for Celery run, unchanged, by each of the three ways in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from umbel import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "umbel-as-celery"
#: The variable; or the package's folder in front of all others, as if it were installed.
WAYS = {"variable": {"UMBEL_AS_CELERY": "1"}, "package": {"PYTHONPATH": str(PACKAGE / "src")}}

PROJECT = {
    "proj/__init__.py": "from proj.celery import app as celery_app\n\n__all__ = ('celery_app',)\n",
    "proj/celery.py": """
        from celery import Celery

        app = Celery('proj')
        app.config_from_object('proj.config')
        app.autodiscover_tasks(['proj'])
        """,
    "proj/config.py": """
        CELERY_RESULT_SERIALIZER = 'json'
        CELERY_TASK_RESULT_EXPIRES = 3600
        CELERY_ACCEPT_CONTENT = ['json']
        CELERY_TIMEZONE = 'Asia/Shanghai'
        CELERYD_MAX_TASKS_PER_CHILD = 100
        """,
    "proj/tasks.py": """
        from celery import Task, shared_task
        from celery.exceptions import Reject
        from celery.signals import task_prerun
        from celery.utils.log import get_task_logger

        logger = get_task_logger(__name__)
        seen = []


        @task_prerun.connect
        def remember(task_id, **kwargs):
            seen.append(task_id)


        class Base(Task):
            abstract = True

            def on_success(self, retval, task_id, args, kwargs):
                logger.info('%s succeeded', task_id)


        @shared_task(bind=True, base=Base, max_retries=2)
        def add(self, x, y):
            if not self.request.retries:
                raise self.retry(countdown=0)
            return [x + y, self.request.id in seen]


        @shared_task
        def total(pairs):
            return sum(number for number, _ in pairs)
        """,
    "program.py": """
        import proj
        from celery import chord, current_app, group
        from celery.result import AsyncResult
        from proj.tasks import add, total

        result = add.delay(30, 42)
        print(result.get(timeout=30), AsyncResult(result.id).state, current_app.main)
        print(chord(group(add.s(i, i) for i in range(3)))(total.s()).get(timeout=30))
        """,
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))


def environment(way: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != "UMBEL_AS_CELERY"}, **WAYS[way]}


def run(folder: Path, way: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(way), capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_project(tmp_path, way):
    write(tmp_path, PROJECT)
    command = [sys.executable, "-m", "celery", "-A", "proj", "worker", "-l", "info", "-c", "2"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(way), stderr=subprocess.PIPE, text=True) as worker:
        try:
            done = run(tmp_path, way, "program.py")
            worker.send_signal(signal.SIGTERM)
            _, log = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert done.stdout.splitlines() == ["[72, True] SUCCESS proj", "6"], done.stderr + log
    assert worker.returncode == 0, log
    assert "succeeded" in log


def test_the_option(tmp_path):
    write(tmp_path, PROJECT)
    done = run(tmp_path, "package", "-m", "umbel", "--as-celery", "-A", "proj", "call", "proj.tasks.total", "-a", "[[]]")
    assert done.returncode == 0, done.stderr
    environment = {name: value for name, value in os.environ.items() if name not in {"UMBEL_AS_CELERY", "PYTHONPATH"}}
    command = [sys.executable, "-m", "umbel", "--as-celery", "-A", "proj", "queues"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kombu_alone(tmp_path):
    """A module of settings may import it before anything has imported celery."""
    program = (
        "import umbel_as_celery, kombu; q = kombu.Queue('x', kombu.Exchange('y'), routing_key='z'); print(q.exchange.name, q.routing_key)"
    )
    assert run(tmp_path, "package", "-c", program).stdout == "y z\n"
    assert run(tmp_path, "variable", "-c", program.replace("umbel_as_celery", "umbel")).stdout == "y z\n"


TESTS = {
    "conftest.py": """
        import pytest

        pytest_plugins = ('celery.contrib.pytest',)


        @pytest.fixture(scope='session')
        def celery_includes():
            return ['jobs']


        @pytest.fixture(scope='session')
        def celery_worker_parameters():
            return {'without_heartbeat': False}


        @pytest.fixture(scope='session')
        def celery_config(tmp_path_factory):
            url = f"sqlite:///{tmp_path_factory.mktemp('broker')}/umbel.db"
            return {'broker_url': url, 'result_backend': url}
        """,
    "jobs.py": """
        import os

        from celery import shared_task


        @shared_task
        def pid():
            return os.getpid()
        """,
    "test_jobs.py": """
        import os

        import pytest
        from celery import current_app
        from celery.contrib.testing.worker import start_worker
        from celery.contrib.testing.manager import Manager
        from jobs import pid


        def test_a_worker_for_one_test(celery_app, celery_worker):
            @celery_app.task
            def mul(x, y):
                return x * y

            celery_worker.reload()
            assert mul.delay(4, 4).get(timeout=10) == 16
            assert pid.delay().get(timeout=10) == os.getpid()
            assert Manager(celery_app).join(pid.delay(), timeout=10) == [os.getpid()]


        @pytest.mark.celery(task_default_queue='marked')
        def test_the_marker(celery_app):
            assert celery_app.conf.task_default_queue == 'marked'


        def test_the_current_app(depends_on_current_app, celery_app):
            assert current_app._get_current_object() is celery_app


        def test_children(celery_app):
            with start_worker(celery_app, pool='prefork', concurrency=1, perform_ping_check=True):
                assert pid.delay().get(timeout=10) != os.getpid()


        def test_a_worker_for_the_session(celery_session_app, celery_session_worker):
            celery_session_app.set_current()
            assert pid.delay().get(timeout=10) == os.getpid()
        """,
    "trapped/conftest.py": """
        import pytest


        @pytest.fixture(scope='session')
        def use_celery_app_trap():
            return True
        """,
    "trapped/test_trap.py": """
        import pytest
        from celery import current_app


        def test_the_trap(celery_app):
            with pytest.raises(RuntimeError, match='the test uses the current app'):
                current_app.tasks
        """,
}


def test_fixtures_of_tests(tmp_path):
    write(tmp_path, TESTS)
    done = run(tmp_path, "variable", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "--strict-markers")
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_the_distribution_has_our_version():
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert project["scripts"] == {"celery": "umbel.compat.command:main"}
