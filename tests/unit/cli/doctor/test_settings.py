from __future__ import annotations

import pytest

from umbel import Umbel
from umbel.cli.doctor.settings import check, check_process
from umbel.clients.finding import Level


def problems(broker="redis", *, has_store=True, **changes):
    app = Umbel("doctor", broker="memory://", set_as_current=False)
    app.conf.update(changes)
    return [(each.level, each.text) for each in check(app.conf, broker=broker, has_store=has_store) if each.level is not Level.OK]


def test_defaults_are_fine():
    assert problems() == []


@pytest.mark.parametrize(
    ("broker", "changes", "level", "words"),
    [
        ("redis", {"accept_content": ["json", "pickle"]}, Level.WARNING, "pickle is accepted"),
        ("redis", {"task_serializer": "pickle"}, Level.ERROR, "task_serializer is 'pickle'"),
        ("redis", {"result_expires": None}, Level.WARNING, "for ever"),
        ("amqp", {}, Level.WARNING, "no time limit"),
        ("pyamqp", {"task_time_limit": 7200}, Level.WARNING, "may run for 7200 s"),
        ("redis", {"task_time_limit": 5, "task_soft_time_limit": 5}, Level.WARNING, "never has an effect"),
    ],
)
def test_each_problem_is_told(broker, changes, level, words):
    ((found, text),) = problems(broker, **changes)
    assert found is level
    assert words in text


@pytest.mark.parametrize("changes", [{"task_time_limit": 600}, {"task_acks_late": False}])
def test_rabbitmq_takes_nothing_back_in_time(changes):
    assert problems("amqp", **changes) == []


def test_without_a_store_nothing_is_kept_for_ever():
    assert problems(result_expires=None, has_store=False) == []


def test_open_files(monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    (found,) = check_process()
    assert found.level is Level.WARNING
    monkeypatch.setattr(resource, "getrlimit", lambda _: (-1, -1))
    (found,) = check_process()
    assert found.level is Level.OK
