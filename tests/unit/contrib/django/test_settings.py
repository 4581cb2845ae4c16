import pytest

from umbel.contrib.django import settings as ours
from umbel.errors import ImproperlyConfigured


@pytest.fixture
def override():
    from django.test import override_settings

    return override_settings


def test_the_default_database_is_broker_store_and_schedule(project):
    found = ours.of_settings()
    assert found["broker_url"] == f"sqlite:///{project}/db.umbel.sqlite3"
    assert (found["result_backend"], found["beat_schedule_store"], found["result_extended"]) == ("django-db", "django-db", True)
    assert found["timezone"] == "America/Chicago"


def test_both_namespaces_and_which_is_stronger(override, monkeypatch):
    with override(
        CELERY_TASK_TIME_LIMIT=60,
        CELERY_BROKER_URL="redis://a",
        UMBEL_BROKER_URL="redis://b",
        UMBEL_RESULT_BACKEND="disabled",
        UMBEL_OUTBOX=True,
    ):
        found = ours.of_settings()
        assert (found["task_time_limit"], found["broker_url"], found["result_backend"]) == (60, "redis://b", "disabled")
        assert "result_extended" not in found
    monkeypatch.setenv("UMBEL_BROKER_URL", "redis://c")
    assert "broker_url" not in ours.of_settings()


def test_what_is_unknown_is_named(override):
    with (
        pytest.raises(ImproperlyConfigured, match=r"UMBEL_BROKER_ULR \(in Django's settings\); did you mean UMBEL_BROKER_URL"),
        override(UMBEL_BROKER_ULR="redis://"),
    ):
        ours.of_settings()
    with (
        override(UMBEL_DATABASE="nowhere"),
        pytest.raises(ImproperlyConfigured, match="UMBEL_DATABASE is 'nowhere': expected one of 'default'"),
    ):
        ours.database()


@pytest.mark.parametrize(
    ("given", "aliases"),
    [(False, ()), (None, ()), (True, ("default",)), ("other", ("other",)), (["default", "other"], ("default", "other"))],
)
def test_databases_with_an_outbox(override, given, aliases):
    with override(UMBEL_OUTBOX=given):
        assert ours.outbox_databases() == aliases


def test_an_outbox_in_no_database(override):
    with override(UMBEL_OUTBOX="nowhere"), pytest.raises(ImproperlyConfigured, match="UMBEL_OUTBOX names 'nowhere'"):
        ours.outbox_databases()
