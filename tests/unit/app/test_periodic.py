"""Adding periodic tasks."""

from __future__ import annotations

from umbel import Umbel
from umbel.schedules import crontab


def made(**settings):
    return Umbel("periodic", broker="memory://", set_as_current=False, **settings)


def test_from_a_receiver():
    with made() as app:

        @app.task(name="tasks.add")
        def add(x, y): ...

        @app.on_after_configure.connect
        def setup(sender, **_):
            sender.add_periodic_task(10, add.s(1, 2).set(queue="q"), name="ten", expires=5)
            sender.add_periodic_task(crontab(0, 3), add.si(3, 4))

        assert app.conf.beat_schedule == {
            "ten": {"schedule": 10, "task": "tasks.add", "args": (1, 2), "kwargs": {}, "options": {"queue": "q", "expires": 5}},
            "tasks.add(3, 4)": {"schedule": crontab(0, 3), "task": "tasks.add", "args": (3, 4), "kwargs": {}, "options": {}},
        }


def test_before_the_settings_are_read_and_after():
    source = {"one": {"task": "t", "schedule": 1}}
    with made(beat_schedule=source) as app:

        @app.task(name="tasks.add")
        def add(): ...

        assert app.add_periodic_task(1, add.s(), name="early") == "early"
        assert not app.conf.loaded
        assert set(app.conf.beat_schedule) == {"one", "early"}
        app.add_periodic_task(1, add, kwargs={"x": 1}, name="late")
        assert set(app.conf.beat_schedule) == {"one", "early", "late"}
        assert set(source) == {"one"}
        assert app.conf.beat_schedule["late"]["kwargs"] == {"x": 1}


def test_two_of_one_name_without_a_name(caplog):
    with made() as app:

        @app.task(name="tasks.add")
        def add(): ...

        app.add_periodic_task(1, add.s())
        app.add_periodic_task(1, add.s())
        assert not caplog.text
        app.add_periodic_task(2, add.s())
        assert "tasks.add() is added a second time" in caplog.text


def test_finalizing_may_add_too():
    with made() as app:

        @app.task(name="tasks.add")
        def add(): ...

        @app.on_after_finalize.connect
        def setup(sender, **_):
            sender.add_periodic_task(10, add.s(), name="ten")

        app.finalize()
        assert set(app.conf.beat_schedule) == {"ten"}
