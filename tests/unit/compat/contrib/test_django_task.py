"""Tasks that wait for the end of a transaction; Django itself is stood in for."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from umbel.compat.contrib.django_task import DjangoTask
from umbel.testing import FakeApp


@pytest.fixture
def committed(monkeypatch):
    waiting = []
    database = ModuleType("django.db")
    database.transaction = SimpleNamespace(on_commit=lambda call, using=None: waiting.append((call, using)))
    monkeypatch.setitem(sys.modules, "django", ModuleType("django"))
    monkeypatch.setitem(sys.modules, "django.db", database)
    return waiting


def test_tasks_are_sent_when_the_transaction_has_ended(committed):
    app = FakeApp()

    @app.task(base=DjangoTask)
    def mail(to): ...

    mail.delay_on_commit("Ada")
    mail.apply_async_on_commit(("Grace",), priority=3, using="other")
    assert app.fake.sent == []
    assert [using for _, using in committed] == [None, "other"]
    for call, _ in committed:
        call()
    assert [message.properties.get("priority") for message, _ in app.fake.sent] == [0, 3]
