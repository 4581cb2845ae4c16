import asyncio

import pytest
from flask import Flask, current_app, g

from umbel import shared_task
from umbel.contrib.flask import FlaskUmbel
from umbel.errors import ImproperlyConfigured


@pytest.fixture
def queue():
    with FlaskUmbel("shop", set_as_current=False) as queue:
        yield queue


def factory(queue, **config):
    program = Flask("shop")
    program.config.update({"UMBEL": {"broker_url": "memory://", "result_backend": "disabled"}, "NAME": "of the config", **config})
    queue.init_app(program)
    return program


def test_each_task_has_a_context_of_its_own(queue):
    @queue.task
    def name():
        assert "seen" not in g
        g.seen = True
        return current_app.config["NAME"]

    @queue.task
    async def name_of_coroutine():
        await asyncio.sleep(0)
        return current_app.config["NAME"]

    with pytest.raises(ImproperlyConfigured, match=r"belongs to no Flask program: call init_app\(app\)"):
        name.apply(throw=True)
    factory(queue)
    assert [name.apply().get(), name.apply().get(), name_of_coroutine.apply().get()] == ["of the config"] * 3


def test_called_in_a_request_a_task_is_a_function(queue):
    @queue.task
    def name():
        return current_app.config["NAME"]

    program = factory(queue)
    with program.app_context():
        assert name() == "of the config"
    with pytest.raises(RuntimeError, match="application context"):
        name()


def test_settings(queue):
    program = factory(queue, CELERY={"task_time_limit": 60, "broker_url": "redis://elsewhere"}, UMBEL_TASK_SOFT_TIME_LIMIT=30)
    conf = queue.conf
    assert (conf.broker_url, conf.task_time_limit, conf.task_soft_time_limit) == ("memory://", 60, 30)
    assert program.extensions["umbel"] is program.extensions["celery"] is queue
    with pytest.raises(ImproperlyConfigured, match=r"config\['UMBEL'\] is str: expected a dict"):
        factory(queue, UMBEL="redis://")
    with pytest.raises(ImproperlyConfigured, match="broker_ulr"):
        factory(queue, UMBEL={"broker_ulr": "x"})
        _ = queue.conf.broker_url


def test_the_last_program_counts_and_shared_tasks_are_its(queue):
    @shared_task(name="flask.name")
    def name():
        return current_app.config["NAME"]

    factory(queue)
    factory(queue, NAME="of the second")
    assert queue.tasks["flask.name"].apply().get() == "of the second"


def test_the_command(queue, tmp_path):
    program = factory(queue, UMBEL={"broker_url": f"sqlite:///{tmp_path}/umbel.db"})
    runner = program.test_cli_runner()
    assert runner.invoke(args=["umbel", "queues", "--json"]).exit_code == 0
    assert runner.invoke(args=["umbel", "no-such"]).exit_code == 2
