"""The pages of the admin, by Django's test client."""

import pytest

from umbel.results.model import Record
from umbel.testing import FakeApp


@pytest.fixture
def app(project):
    with FakeApp() as app:
        app.set_default()

        @app.task(name="shop.report")
        def report(day="today"): ...

        yield app


@pytest.fixture
def client(app):
    from django.contrib.auth.models import User
    from django.test import Client
    from django.test.utils import setup_test_environment, teardown_test_environment

    from umbel.contrib.django.models import PeriodicTask, TaskResult

    setup_test_environment()
    User.objects.filter(username="root").delete()
    User.objects.create_superuser("root")
    client = Client()
    client.force_login(User.objects.get(username="root"))
    yield client
    teardown_test_environment()
    for model in (PeriodicTask, TaskResult):
        model.objects.all().delete()


def texts(response):
    return [str(message) for message in response.context["messages"]]


PERIODIC, RESULTS = "/admin/umbel/periodictask/", "/admin/umbel/taskresult/"
FORM = {
    "name": "daily",
    "task": "shop.report",
    "every": "",
    "cron": "30 7 * * *",
    "args": '["mon"]',
    "kwargs": "{}",
    "queue": "slow",
    "description": "x",
}


def test_a_periodic_task_from_its_cradle_to_its_grave(client, app):
    from umbel.contrib.django.admin.forms import sentence
    from umbel.contrib.django.models import PeriodicTask

    saved = client.post(f"{PERIODIC}add/", FORM, follow=True)
    assert saved.status_code == 200, saved.context and saved.context.get("errors")
    entry = PeriodicTask.objects.get(name="daily")
    assert (entry.status, entry.task) == ("active", "shop.report")
    assert sentence(entry.document) in client.get(PERIODIC).content.decode()
    assert 'value="30 7 * * *"' in client.get(f"{PERIODIC}daily/change/").content.decode()
    client.post(f"{PERIODIC}daily/change/", {**FORM, "cron": "", "every": "1h", "paused": "on"})
    entry.refresh_from_db()
    assert (entry.status, '{"every":3600.0}' in entry.document) == ("paused", True)
    action = {"_selected_action": ["daily"]}
    assert texts(client.post(PERIODIC, {**action, "action": "resume"}, follow=True))[-1] == "1 resumed."
    assert texts(client.post(PERIODIC, {**action, "action": "run_now"}, follow=True)) == ["1 sent."]
    message, to = app.fake.sent[0]
    assert (message.headers["task"], to.routing_key, message.headers["argsrepr"]) == ("shop.report", "slow", "('mon',)")
    assert texts(client.post(PERIODIC, {**action, "action": "pause"}, follow=True)) == ["1 paused."]
    assert "SENT" in client.get("/admin/umbel/periodicrun/").content.decode()
    client.post(PERIODIC, {**action, "action": "delete_selected", "post": "yes"})
    entry.refresh_from_db()
    assert entry.status == "removed"
    assert "daily" not in client.get(PERIODIC).content.decode()
    client.post(f"{PERIODIC}add/", FORM)
    entry.refresh_from_db()
    assert entry.status == "active"
    assert "entry of this name already" in client.post(f"{PERIODIC}add/", FORM).content.decode()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"cron": "99 * * * *"}, "99"),
        ({"cron": ""}, "either this or the next"),
        ({"every": "soon", "cron": ""}, "is not a duration"),
        ({"task": "shop.raport"}, "There is no such task"),
        ({"args": "{}"}, "Expected a JSON list"),
        ({"args": "["}, "Enter a valid JSON"),
        ({"name": "x" * 201}, "expected 1 to 200 characters"),
        ({"name": "a\nb"}, "expected 1 to 200 characters"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(client, wrong, text):
    assert text in client.post(f"{PERIODIC}add/", {**FORM, **wrong}).content.decode()


def test_failed_tasks_are_sent_again(client, app):
    from umbel.contrib.django.models import TaskResult
    from umbel.contrib.django.results.store import connect
    from umbel.results.base import StoreOptions

    store = connect(StoreOptions(url="django-db"))
    known = {"name": "shop.report", "args": ["tue"], "kwargs": {}, "queue": "slow"}
    store.store(
        [
            Record(
                task_id="f", status="FAILURE", result={"exc_type": "KeyError", "exc_message": [], "exc_module": "builtins"}, extended=known
            )
        ]
    )
    store.store([Record(task_id="s", status="SUCCESS", extended=known), Record(task_id="n", status="FAILURE")])
    rows = [str(row.pk) for row in TaskResult.objects.all()]
    said = texts(client.post(RESULTS, {"_selected_action": rows, "action": "send_again"}, follow=True))
    assert said[-1] == "1 sent again."
    assert "n cannot be sent: its name or its arguments were not kept" in said[0]
    (message, to) = app.fake.sent[0]
    assert (message.headers["task"], message.headers["argsrepr"], to.routing_key) == ("shop.report", "('tue',)", "slow")
    assert "shop.report" in client.get(f"{RESULTS}{rows[0]}/change/").content.decode()


def test_the_outbox_is_there_to_look_at(client):
    assert client.get("/admin/umbel/outboxmessage/").status_code == 200
