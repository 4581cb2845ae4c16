"""The backend of ``django.tasks``, on an app whose calls are run by hand."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from umbel.testing import FakeApp


@pytest.fixture
def settings(project):
    from django.test import override_settings

    backend = "umbel.contrib.django.task_backend.UmbelBackend"
    with override_settings(TASKS={"default": {"BACKEND": backend, "QUEUES": ["default", "special"]}, "twin": {"BACKEND": backend}}):
        yield


@pytest.fixture
def app(settings):
    import umbel.contrib.django.tasks  # noqa: F401 - as a worker finds it

    with FakeApp() as app:
        app.set_default()
        yield app


@pytest.fixture
def tasks(app):
    import django_tasks_of_tests

    return django_tasks_of_tests


def test_a_task_is_sent_run_and_read_back(app, tasks):
    result = tasks.add.enqueue(2, y=3)
    assert (result.status, result.is_finished, result.attempts) == ("READY", False, 0)
    message, to = app.fake.sent[0]
    assert (message.headers["id"], message.headers["task"], to.routing_key) == (result.id, "umbel.django.run", "celery")
    assert message.headers["shadow"] == "django_tasks_of_tests.add"
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value
    app.run()
    result.refresh()
    assert (result.status, result.return_value, result.attempts, result.errors) == ("SUCCESSFUL", 5, 1, [])
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert (result.args, result.kwargs, result.task) == ([2], {"y": 3}, tasks.add)
    assert tasks.add.get_result(result.id).return_value == 5


def test_a_failure(app, tasks):
    result = tasks.fails.enqueue("no")
    assert app.fake.sent[0][1].routing_key == "special"
    app.run()
    result.refresh()
    assert result.status == "FAILED"
    (error,) = result.errors
    assert error.exception_class is KeyError
    assert "KeyError: 'no'" in error.traceback
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


def test_context_and_coroutines(app, tasks):
    first = tasks.attempts.enqueue()
    app.run()
    second = asyncio.run(tasks.in_a_coroutine.aenqueue(4))
    app.run()
    first.refresh()
    assert first.return_value == [1, first.id]
    assert asyncio.run(tasks.in_a_coroutine.aget_result(second.id)).return_value == 4


def test_later_and_sooner(app, tasks):
    when = datetime.now(UTC) + timedelta(hours=1)
    result = tasks.add.using(run_after=when, priority=100, backend="twin").enqueue(1)
    tasks.add.using(priority=-100).enqueue(1)
    tasks.add.enqueue(1)
    assert datetime.fromisoformat(app.fake.sent[0][0].headers["eta"]) == when
    assert [message.properties["priority"] for message, _ in app.fake.sent] == [9, 0, 4]
    again = tasks.add.using(backend="twin").get_result(result.id)
    assert (again.task.run_after, again.task.priority, again.backend) == (when, 100, "twin")


def test_what_there_is_not(app, tasks):
    from umbel.contrib.django.task_backend import exceptions

    with pytest.raises(exceptions.TaskResultDoesNotExist):
        tasks.add.get_result("nobody")
    other = tasks.fails.enqueue("x")
    with pytest.raises(exceptions.TaskResultMismatch):
        tasks.add.get_result(other.id)
    with pytest.raises(Exception, match="Queue 'elsewhere' is not valid"):
        tasks.add.using(queue_name="elsewhere")
    with pytest.raises(TypeError):
        tasks.add.enqueue(object())


def test_without_a_store_a_check_says_so(app, tasks):
    from umbel.contrib.django.task_backend import api

    assert api.task_backends["default"].check() == []
    app.connections.use(app.fake, None)
    assert [each.id for each in api.task_backends["default"].check()] == ["umbel.E003"]
