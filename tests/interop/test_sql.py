"""Results in one SQL table: Celery's clients read what Umbel's workers have stored, and the reverse; whoever made the table."""

from __future__ import annotations

import json
import subprocess

import pytest

from conftest import POSTGRESQL, sql_database
from interop.pairing import Pair, celery_python
from interop.test_pairs import call
from system.conftest import database
from system.processes import TESTS
from system.stage import Place
from umbel import Umbel
from umbel.result import AsyncResult

VALUES = [1, 1.5, "é\U0001f642", None, [1, [2]], {"a": {"b": [None]}}]

pytestmark = [pytest.mark.redis, pytest.mark.postgresql]

#: Prints, as Celery sees it, all that is stored of some tasks, then the results of a saved group.
CELERY_READS = """
import json, sys
from celery import Celery
url, extended, ids, group = json.loads(sys.argv[1])
app = Celery(backend=url, broker="memory://")
app.conf.update(result_extended=extended)
shown = []
for task_id in ids:
    meta = app.backend.get_task_meta(task_id)
    shown.append({name: repr(value) if isinstance(value, Exception) else value for name, value in meta.items() if name != "date_done"})
restored = app.GroupResult.restore(group) if group else None
print(json.dumps([shown, restored and [each.id for each in restored.results]]))
"""
#: Makes the table with or without the extended columns, and writes one task with everything, one failure and a group.
CELERY_WRITES = """
import json, sys
from types import SimpleNamespace
from celery import Celery
from celery.result import AsyncResult, GroupResult
url, extended = json.loads(sys.argv[1])
app = Celery(backend=url, broker="memory://", set_as_current=True)
app.conf.update(result_extended=extended)
request = SimpleNamespace(
    id="one", group=None, parent_id=None, children=[AsyncResult("child", app=app)], task="tasks.add", args=[1, 2], kwargs={"x": 1}, hostname="w@h",
    retries=2, delivery_info={"routing_key": "celery"}, stamped_headers=["mark"], stamps={"mark": ["s"]},
)
app.backend.store_result("one", {"a": [1, None]}, "SUCCESS", request=request)
app.backend.store_result("two", ValueError("no"), "FAILURE", traceback="T")
GroupResult("group", [AsyncResult("one", app=app), AsyncResult("two", app=app)], app=app).save()
"""


def celery(program, *values):
    done = subprocess.run(
        [celery_python(), "-c", program, json.dumps(values)], capture_output=True, text=True, timeout=60, cwd=TESTS, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout or "null")


@pytest.fixture
def url():
    with sql_database(POSTGRESQL) as made:
        yield made


@pytest.fixture(params=["umbel", "celery"], ids=["umbel-client", "celery-client"])
def pair(request, url, unique):
    pair = Pair(Place(name="sql", broker=database(request, 5), backend=url), unique("sql"), request.param)
    try:
        yield pair
    finally:
        pair.close()


@pytest.fixture
def app(url):
    with Umbel("proj", broker="memory://", backend=url, set_as_current=False) as app:
        yield app


def test_values_failures_and_extended_fields(pair):
    pair.settings["result_extended"] = True
    pair.start_worker("-c", "1")
    calls = [call("echo", value) for value in VALUES] + [call("fail", "own", 7, "no")]
    *answers, failed = pair.talk(calls)
    assert not [answer for answer in answers if "value" not in answer], answers
    assert [(answer["state"], answer["value"]) for answer in answers] == [("SUCCESS", [value]) for value in VALUES]
    assert (failed["state"], failed["error"]) == ("FAILURE", ["system.workload", "Refused", [7, "no"]])
    assert "Refused" in failed["traceback"]


@pytest.mark.parametrize("extended", [True, False])
def test_umbel_reads_what_celery_has_written(app, url, extended):
    celery(CELERY_WRITES, url, extended)
    one, two = AsyncResult("one", app=app), AsyncResult("two", app=app)
    assert one.get(timeout=30) == {"a": [1, None]}
    assert [child.id for child in one.children] == ["child"]
    assert one.date_done is not None
    with pytest.raises(ValueError, match="no"):
        two.get(timeout=30)
    assert two.traceback == "T"
    record = app.store.fetch(["one"])["one"]
    expected = {"name": "tasks.add", "args": [1, 2], "kwargs": {"x": 1}, "worker": "w@h", "retries": 2, "queue": "celery"}
    assert record.extended == ({**expected, "stamped_headers": ["mark"], "mark": ["s"]} if extended else {})
    assert [result.id for result in app.GroupResult.restore("group")] == ["one", "two"]


@pytest.mark.parametrize("made_by", ["umbel", "celery", "celery-extended"])
def test_celery_reads_what_umbel_has_written(app, url, made_by):
    from umbel.results.model import Record

    if made_by != "umbel":
        celery(CELERY_WRITES, url, made_by == "celery-extended")
    extended = {"name": "tasks.add", "args": [1, 2], "kwargs": {"x": 1}, "worker": "w@h", "retries": 2, "queue": "celery"}
    failure = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}
    children = [[["child", None], None]]
    done = "2030-01-01T00:00:00+00:00"
    stamps = {"stamped_headers": ["mark"], "mark": ["s"]}
    app.store.store(
        [
            Record(
                task_id="u1",
                status="SUCCESS",
                result=VALUES,
                children=children,
                date_done=done,
                parent_id="p",
                extended={**extended, **stamps},
            ),
            Record(task_id="u2", status="FAILURE", result=failure, traceback="T", date_done=done),
            Record(task_id="u3", status="REVOKED", result={**failure, "exc_type": "KeyError"}, children=None, date_done=done),
        ]
    )
    app.GroupResult("ours", [AsyncResult("u1", app=app), AsyncResult("u2", app=app)]).save()
    (one, two, three), restored = celery(CELERY_READS, url, True, ["u1", "u2", "u3"], "ours")
    plain = {"task_id": "u1", "status": "SUCCESS", "result": VALUES, "traceback": None, "children": children}
    assert one == {**plain, **extended, **stamps}
    assert (two["status"], two["result"], two["traceback"], two["children"]) == ("FAILURE", "ValueError('no')", "T", None)
    assert (three["status"], three["result"], three["children"]) == ("REVOKED", "KeyError('no')", None)
    assert restored == ["u1", "u2"]
    (brief,), _ = celery(CELERY_READS, url, False, ["u1"], None)
    assert brief == plain
