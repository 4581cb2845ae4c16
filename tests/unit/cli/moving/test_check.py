"""``umbel migrate-check``: a project is read, never run."""

import json

import pytest

SETTINGS = """
raise SystemExit("this project is not to be imported")
BROKER_URL = "sqs://key:secret@"
CELERY_RESULT_BACKEND = "django-db"
CELERY_TASK_ALWAYS_EAGER = "maybe"
CELERYD_CONCURRENCY = 4
CELERY_TASK_SERIALISER = "json"
CELERY_TIMEZONE = "UTC"
CELERYD_POOL_PUTLOCKS = True
"""
TASKS = """
import celery.bootsteps
from celery import Celery, shared_task
from celery.app.trace import build_tracer
from celery.utils.nothing import at_all
from celery.exceptions import *
from kombu import Connection, Queue
from . import settings
from celery import signals as heard
app = Celery("proj", broker="redis://:pw@h/0;redis://other", backend="redis", fixups=[])
app.conf.update({"result_expires": 3, **more}, task_track_start=True)
app.conf.singleton_backend_url = "redis://"
app.conf["worker_concurrency"] = 2
@app.task(bind=True, max_retrys=3, send_events=False, tenant="own", queue=name)
async def f(self): pass
@shared_task
def g(): pass
@app.task(name="h", typing=True)
def h(): pass
f.apply_async((1,), countdwn=3, queue="q", MessageGroupId="x")
f.apply_async(**given)
f.apply_async((1,), tenant="t", stamped_headers=["tenant"])
app.send_task("h", args=[1], kwargs={}, eta=now)
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj" / "settings.py").write_text(SETTINGS)
    (tmp_path / "proj" / "tasks.py").write_text(TASKS)
    (tmp_path / "proj" / "broken.py").write_text("def f(:\n")
    (tmp_path / "proj" / "other.py").write_text("result_path = 1\nFLOWER_BED = 2\nrequests.apply(1)\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "ours.py").write_text(TASKS)
    (tmp_path / "requirements.txt").write_text("# needs\nDjango_Celery.Results==2.6\ncelery>=5\nflower\n-r more.txt\n")
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["celery_batches>=0.9"]\n')
    return tmp_path


def test_everything_is_found_where_it_stands(umbel, project):
    done = umbel("migrate-check", str(project), "--all", "--json")
    assert done.code == 1, done.err
    found = {(each["file"], each["line"], each["subject"]): (each["verdict"], each["text"]) for each in json.loads(done.out)["findings"]}
    must = {key: text for key, (verdict, text) in found.items() if verdict == "must change"}
    settings, tasks = "proj/settings.py", "proj/tasks.py"
    assert set(must) == {
        ("proj/broken.py", 1, "syntax"),
        (settings, 3, "broker_url sqs://"),
        (settings, 5, "CELERY_TASK_ALWAYS_EAGER"),
        (settings, 7, "CELERY_TASK_SERIALISER"),
        (tasks, 4, "celery.app.trace.build_tracer"),
        (tasks, 5, "celery.utils.nothing.at_all"),
        (tasks, 11, "task_track_start"),
        (tasks, 20, "countdwn"),
        ("requirements.txt", 2, "django-celery-results"),
        ("pyproject.toml", None, "celery-batches"),
    }
    assert "did you mean task_track_started?" in must[tasks, 11, "task_track_start"]
    assert "did you mean countdown?" in must[tasks, 20, "countdwn"]
    assert "use the signals task_prerun" in must[tasks, 4, "celery.app.trace.build_tracer"]
    differs = {key for key, (verdict, _) in found.items() if verdict == "differs"}
    assert {
        (None, None, "task_acks_late"),
        (settings, 9, "CELERYD_POOL_PUTLOCKS"),
        (tasks, 7, "kombu.Connection"),
        (tasks, 12, "singleton_backend_url"),
        (tasks, 15, "f: max_retrys"),
        (tasks, 15, "f: send_events"),
        ("requirements.txt", 3, "celery"),
    } <= differs
    works = {key for key, (verdict, _) in found.items() if verdict == "works"}
    assert {
        (settings, 6, "CELERYD_CONCURRENCY"),
        (settings, 8, "CELERY_TIMEZONE"),
        (tasks, 2, "celery.bootsteps"),
        (tasks, 3, "celery.shared_task"),
        (tasks, 6, "celery.exceptions"),
        (tasks, 7, "kombu.Queue"),
        (tasks, 9, "celery.signals"),
        (tasks, 13, "worker_concurrency"),
        (tasks, 17, "task g"),
        (tasks, 19, "task h"),
        ("requirements.txt", 4, "flower"),
    } <= works
    assert found[settings, 6, "CELERYD_CONCURRENCY"][1] == "Its name is worker_concurrency today"
    assert not any(file in ("proj/other.py", "venv/ours.py") for file, _, _ in found)
    assert "secret" not in done.out
    assert ":pw@" not in done.out


def test_as_a_table(umbel, project):
    done = umbel("migrate-check", str(project))
    assert "WHERE" in done.out
    assert "proj/tasks.py:20" in done.out
    assert "CELERY_TIMEZONE" not in done.out
    assert "10 must change." in done.out


def test_a_module_alone_and_one_that_is_well(umbel, tmp_path):
    file = tmp_path / "tasks.py"
    file.write_text("from celery import Celery\napp = Celery('t', broker='amqp://')\n")
    done = umbel("migrate-check", str(file))
    assert (done.code, done.out) == (0, "2 things looked at: 2 works, 0 differs, 0 must change.\n")
    assert umbel("migrate-check", str(tmp_path / "not there")).code == 2


def test_old_and_new_names_in_one_module(umbel, tmp_path):
    (tmp_path / "celeryconfig.py").write_text("BROKER_URL = 'redis://'\ntask_serializer = 'json'\nresult_expires = None\n")
    done = umbel("migrate-check", str(tmp_path))
    assert done.code == 1
    assert "umbel upgrade settings celeryconfig.py" in done.out
