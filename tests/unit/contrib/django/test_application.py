"""The app of a project, its commands and checks."""

import pytest

from umbel import current, shared_task
from umbel.contrib.django import DjangoTask, checks
from umbel.contrib.django.management.running import _split


@pytest.fixture
def app(project):
    from umbel.contrib.django.application import app

    current.set_default_app(app)
    yield app
    app.close()


def test_a_project_without_an_app_has_one(app):
    from umbel.app.proxies import get_current_app

    assert get_current_app() is app
    assert app.import_path == "umbel.contrib.django.application:app"
    assert app.conf.result_backend == "django-db"

    @shared_task(name="django.greet")
    def greet(): ...

    assert isinstance(app.tasks["django.greet"], DjangoTask)
    assert greet.delay_on_commit().state == "PENDING"


def test_an_app_of_the_projects_own_comes_first(app):
    from umbel import Umbel
    from umbel.app.proxies import get_current_app

    current.forget_app(app)
    with Umbel("classic") as classic:
        assert get_current_app() is classic


def test_checks(app):
    from django.core.checks import run_checks
    from django.test import override_settings

    assert [each for each in run_checks() if (each.id or "").startswith("umbel")] == []
    with override_settings(UMBEL_OUTBOX="nowhere"):
        assert [each.id for each in checks.outbox_can_be_used(None)] == ["umbel.E002"]


def test_a_command_line_may_change_settings_after_the_checks(app, tmp_path):
    from django.core.checks import run_checks

    run_checks()
    app.conf.broker_url = f"sqlite:///{tmp_path}/other.db"
    assert app.broker.public_url() == f"sqlite:///{tmp_path}/other.db"
    app.close()
    del app.conf["broker_url"]


def test_a_test_may_override_settings(app):
    from django.test import override_settings

    @shared_task(name="django.double")
    def double(x):
        return 2 * x

    with override_settings(UMBEL_TASK_ALWAYS_EAGER=True):
        assert double.delay(21).get() == 42
    assert app.conf.task_always_eager is False
    assert double.delay(21).state == "PENDING"


def test_words_of_a_command():
    assert _split(["-c", "4", "--settings", "a.b", "--autoreload", "--pythonpath=x", "--", "--skip-checks"]) == (
        ["--settings", "a.b", "--pythonpath=x"],
        ["-c", "4", "--reload", "--", "--skip-checks"],
        True,
    )
    assert _split(["--skip-checks", "-E"]) == ([], ["-E"], False)


def test_commands(app, capfd):
    from django.core.management import CommandError, call_command

    call_command("umbel", "queues", "--", "--json")
    assert "celery" in capfd.readouterr().out
    with pytest.raises(CommandError, match="exit code 2"):
        call_command("umbel_worker", "--", "--no-such-option")
