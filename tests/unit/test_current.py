import threading

import pytest

from umbel import current
from umbel.execution.request import Request


@pytest.fixture(autouse=True)
def _no_app():
    before = current.app.get(), current._fallback.default, current._fallback.latest
    current.app.set(None)
    current._fallback.default = current._fallback.latest = None
    yield
    current.app.set(before[0])
    current._fallback.default, current._fallback.latest = before[1:]


def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_another_thread_finds_the_app_that_was_made_last():
    current.set_current_app("app")
    assert current.find_app() == "app"
    assert in_thread(current.find_app) == "app"


def test_the_default_app_outranks_the_last_one_in_other_threads():
    current.set_default_app("default")
    current.set_current_app("mine")
    assert current.find_app() == "mine"
    assert in_thread(current.find_app) == "default"


def test_a_closed_app_is_forgotten():
    current.set_current_app("app")
    current.forget_app("app")
    assert current.find_app() is None


def test_waiting_inside_a_task_is_refused_unless_allowed():
    assert not current.task_join_will_block()
    token = current.request.set(Request(None, "id", (), {}, {}))
    try:
        assert current.task_join_will_block()
        with current.allow_join_result():
            assert not current.task_join_will_block()
            with current.denied_join_result():
                assert current.task_join_will_block()
    finally:
        current.request.reset(token)


def test_an_eager_task_may_wait():
    token = current.request.set(Request(None, "id", (), {}, {}, is_eager=True))
    assert not current.task_join_will_block()
    current.request.reset(token)
