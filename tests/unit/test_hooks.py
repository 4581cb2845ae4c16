import gc

import pytest

from umbel import hooks
from umbel.hooks import Signal


@pytest.fixture
def signal():
    return Signal("thing_happened", "value")


def test_nobody_listens_is_a_falsy_attribute(signal):
    assert not signal.receivers
    assert signal.send("me", value=1) == []


def test_receivers_get_signal_sender_and_arguments(signal):
    seen = []

    def receiver(**named):
        seen.append(named)
        return "heard"

    signal.connect(receiver)
    assert signal.send("me", value=1) == [(receiver, "heard")]
    assert seen == [{"signal": signal, "sender": "me", "value": 1}]


def test_connect_is_a_decorator_with_and_without_arguments(signal):
    @signal.connect
    def first(**_):
        return 1

    @signal.connect(sender="tasks.add")
    def second(**_):
        return 2

    assert [value for _, value in signal.send("tasks.mul")] == [1]
    assert [value for _, value in signal.send("tasks.add")] == [1, 2]


def test_a_task_s_name_as_sender_matches_the_task_itself(signal):
    class Task:
        name = "tasks.add"

    def receiver(**_):
        return True

    signal.connect(receiver, sender="tasks.add")
    assert signal.send(Task())
    assert signal.has_listeners(Task())
    assert not signal.has_listeners("tasks.mul")


def test_receivers_are_held_weakly_unless_told_otherwise(signal):
    def connect():
        signal.connect(lambda **_: 1)
        signal.connect(lambda **_: 2, weak=False)

    connect()
    gc.collect()
    assert [value for _, value in signal.send(None)] == [2]
    assert len(signal.receivers) == 1


def test_a_method_is_held_as_long_as_its_object(signal):
    class Listener:
        def hear(self, **_):
            return "method"

    listener = Listener()
    signal.connect(listener.hear)
    assert [value for _, value in signal.send(None)] == ["method"]
    del listener
    gc.collect()
    assert not signal.receivers


def test_connecting_twice_calls_once(signal):
    def receiver(**_):
        return 1

    signal.connect(receiver)
    signal.connect(receiver)
    assert len(signal.send(None)) == 1


def test_dispatch_uid_replaces(signal):
    signal.connect(lambda **_: 1, weak=False, dispatch_uid="one")
    signal.connect(lambda **_: 2, weak=False, dispatch_uid="one")
    assert [value for _, value in signal.send(None)] == [2]
    assert signal.disconnect(dispatch_uid="one")
    assert not signal.receivers


def test_disconnect_says_whether_there_was_one(signal):
    def receiver(**_): ...

    assert not signal.disconnect(receiver)
    signal.connect(receiver)
    assert signal.disconnect(receiver)


def test_a_receiver_that_raises_is_logged_and_does_no_harm(signal, caplog):
    error = ValueError("no")

    def bad(**_):
        raise error

    def good(**_):
        return 1

    signal.connect(bad)
    signal.connect(good)
    assert signal.send(None) == [(bad, error), (good, 1)]
    assert "thing_happened" in caplog.text


def test_only_callables_connect(signal):
    with pytest.raises(TypeError, match="needs a function"):
        signal.connect("text")


def test_a_receiver_must_take_what_may_be_added_later(signal):
    with pytest.raises(ValueError, match=r"def narrow\(sender, \*\*kwargs\)"):

        @signal.connect
        def narrow(sender): ...

    signal.connect(dict)  # written in C: nobody can tell


def test_celery_s_signals_exist():
    names = """before_task_publish after_task_publish task_received task_prerun task_postrun task_success task_retry task_failure
    task_internal_error task_revoked task_unknown task_rejected task_sent import_modules celeryd_init celeryd_after_setup worker_init
    worker_ready worker_shutdown worker_before_create_process worker_process_init worker_process_shutdown worker_shutting_down heartbeat_sent
    setup_logging after_setup_logger after_setup_task_logger beat_init beat_embedded_init eventlet_pool_started eventlet_pool_preshutdown
    eventlet_pool_postshutdown eventlet_pool_apply user_preload_options"""
    for name in names.split():
        assert getattr(hooks, name).name == name


def test_a_watcher_learns_that_somebody_listens(signal):
    told = []
    watcher = lambda: told.append(len(signal.receivers))
    signal.watch(watcher)
    signal.connect(lambda **named: None, weak=False)
    signal.unwatch(watcher)
    signal.connect(lambda **named: None, weak=False)
    assert told == [1]
