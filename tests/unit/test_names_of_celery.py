"""Modules under Celery's names have what Celery's have."""

from umbel import errors, exceptions, hooks, result, signals
from umbel.exceptions import MaxRetriesExceededError, OperationalError, Reject, SoftTimeLimitExceeded
from umbel.result import AsyncResult, allow_join_result
from umbel.signals import setup_logging, task_failure, worker_process_init


def test_they_are_the_same_things():
    assert [MaxRetriesExceededError, OperationalError, Reject, SoftTimeLimitExceeded] == [
        errors.MaxRetriesExceededError,
        errors.OperationalError,
        errors.Reject,
        errors.SoftTimeLimitExceeded,
    ]
    assert (setup_logging, task_failure, worker_process_init) == (hooks.setup_logging, hooks.task_failure, hooks.worker_process_init)
    assert AsyncResult.__module__ == "umbel.results.handles.async_result"
    with allow_join_result():
        pass


def test_every_exception_and_signal_is_there():
    for ours, theirs, kind in [(errors, exceptions, type), (hooks, signals, hooks.Signal)]:
        for name, value in vars(ours).items():
            if isinstance(value, kind) and not name.startswith("_"):
                assert getattr(theirs, name) is value
    assert set(result.__all__) <= set(dir(result))
