"""Tables that Celery 5.7, django-celery-results 2.6 and django-celery-beat 2.9 have written are taken over."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from umbel import Umbel

DUMP = Path(__file__).parents[3] / "golden" / "django_celery.sql"


@pytest.fixture
def app(project):
    from django.db import connections

    from umbel.contrib.django.models import PeriodicTask, TaskResult

    connections["other"].ensure_connection()
    connections["other"].connection.executescript(DUMP.read_text(encoding="utf-8"))
    with Umbel("adopting", broker="memory://", result_backend="django-db://other", result_expires=None, set_as_current=False) as app:
        app.set_default()
        yield app
    for model in (PeriodicTask, TaskResult):
        model.objects.using("other").all().delete()
    with connections["other"].cursor() as cursor:
        for table in [name for name in connections["other"].introspection.table_names() if name.startswith("django_celery")]:
            cursor.execute(f"DROP TABLE {table}")
        cursor.execute("PRAGMA foreign_keys=ON")


def adopt(*words):
    from io import StringIO

    from django.core.management import call_command

    out, err = StringIO(), StringIO()
    call_command("umbel_adopt", "--database", "other", *words, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def test_results_groups_and_schedules_are_read_back_equal(app):
    assert adopt("--dry-run")[0] == "Would be taken over: 3 of 3 results, 1 groups, 5 periodic tasks."
    said, remarks = adopt()
    assert said == "Taken over: 3 of 3 results, 1 groups, 5 periodic tasks."
    assert remarks.strip() == "'first': one_off cannot be kept: see to it by hand"
    one, two, three = (app.AsyncResult(f"real-{number}") for number in (1, 2, 3))
    assert (one.state, one.result, one.args, one.kwargs, one.name, one.worker) == ("SUCCESS", {"sum": 3}, [1], {"y": 2}, "real.add", "vm")
    assert one.date_done == datetime(2026, 11, 28, 14, 52, 9, 83745, tzinfo=UTC)
    assert two.state == "FAILURE"
    assert (type(two.result), two.result.args) == (KeyError, ("é",))
    assert two.traceback.endswith("KeyError: 'é'\n")
    assert (three.state, three.info) == ("PROGRESS", {"done": 3})
    assert app.store.groups.tree("real-group") == [["real-group", None], [[["real-1", None], None], [["real-2", None], None]]]
    assert adopt()[0] == "Taken over: 0 of 3 results, 1 groups, 0 periodic tasks."


def test_the_schedules_say_the_same(app):
    from umbel.beat.editing import Schedules
    from umbel.contrib.django.schedules.store import DatabaseScheduleStore

    adopt()
    found = {entry.name: entry for entry in Schedules(app, DatabaseScheduleStore("other")).list() if entry.source == "user"}
    assert {name: entry.document["schedule"] for name, entry in found.items()} == {
        "every ten": {"every": 10.0},
        "mornings": {"crontab": "30 7 * * mon-fri", "timezone": "Europe/Berlin"},
        "dusk": {"solar": "sunset", "lat": 52.5, "lon": 13.4},
        "once": {"at": "2099-01-01T00:00:00+00:00"},
        "first": {"every": 10.0},
    }
    ten = found["every ten"]
    assert (ten.spec.task, ten.spec.args, ten.spec.kwargs, ten.spec.description) == ("real.add", (1,), {"y": 2}, "ten")
    assert ten.spec.options == {"queue": "fast", "priority": 3, "expires": 60.0}
    assert (ten.total_runs, ten.last_fired) == (7, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    assert found["mornings"].status == "paused"
    assert found["dusk"].spec.options == {"headers": {"a": 1}}


def test_without_their_tables_there_is_nothing(project):
    from umbel.contrib.django.adopting.results import take_results

    assert take_results("default") == (0, 0)
