from __future__ import annotations

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.execution.policy import TaskPolicy, policy_of
from umbel.execution.resolved_task import resolve_task
from umbel.testing.fakes import FakeApp


def policy(conf=(), **options):
    app = FakeApp(**dict(conf))
    return policy_of(app.task(name="t", **options)(print), app.conf)


def test_defaults():
    assert policy() == TaskPolicy(name="t")


@pytest.mark.parametrize(
    ("option", "setting"),
    [
        ("acks_late", "task_acks_late"),
        ("ignore_result", "task_ignore_result"),
        ("track_started", "task_track_started"),
        ("acks_on_failure", "task_acks_on_failure"),
        ("acks_on_timeout", "task_acks_on_timeout"),
        ("reject_on_worker_lost", "task_reject_on_worker_lost"),
    ],
)
def test_a_tasks_own_option_counts_more_than_the_setting(option, setting):
    for value in (False, True):
        assert getattr(policy({setting: value}), option) is value
        assert getattr(policy({setting: not value}, **{option: value}), option) is value


def test_one_setting_for_failure_and_timeout():
    both = policy({"task_acks_on_failure_or_timeout": False})
    assert (both.acks_on_failure, both.acks_on_timeout) == (False, False)
    one = policy({"task_acks_on_failure_or_timeout": False}, acks_on_timeout=True)
    assert (one.acks_on_failure, one.acks_on_timeout) == (False, True)


def test_tasks_acknowledged_early_are_not_redelivered():
    assert not policy(acks_late=False).reject_on_worker_lost


@pytest.mark.parametrize(
    ("options", "plain"), [({}, True), ({"time_limit": 3}, False), ({"soft_time_limit": 3}, False), ({"rate_limit": "1/s"}, False)]
)
def test_limits_keep_a_task_from_the_short_way(options, plain):
    assert policy(**options).is_plain is plain


def test_children_read_the_same():
    app = FakeApp(task_acks_on_failure_or_timeout=False, task_track_started=True)
    task = app.task(name="t", acks_on_timeout=True)(print)
    found, resolved = policy_of(task, app.conf), resolve_task(task)
    names = ("acks_on_failure", "acks_on_timeout", "track_started", "ignore_result", "store_errors")
    assert [getattr(resolved, name) for name in names] == [getattr(found, name) for name in names]


def test_a_tasks_own_rate_counts_more_than_the_setting():
    assert policy({"task_default_rate_limit": "5/s"}).rate_limit == 5.0
    assert policy({"task_default_rate_limit": "5/s"}, rate_limit="1/m").rate_limit == 1 / 60
    assert policy({"task_default_rate_limit": "5/s", "worker_disable_rate_limits": True}, rate_limit="1/m").rate_limit is None
    with pytest.raises(ImproperlyConfigured, match="task t: rate_limit must be a rate"):
        policy(rate_limit="soon")


def test_a_limit_on_all_workers_is_not_plain():
    assert not TaskPolicy(name="t", concurrency_limit=1).is_plain
    found = FakeApp().task(name="t", concurrency_limit=3, concurrency_key="tenant:{0}")(lambda tenant: None)
    own = policy_of(found, found.app.conf)
    assert (own.concurrency_limit, own.concurrency_key.text) == (3, "tenant:{0}")
    assert list(own.signature.parameters) == ["tenant"]


def test_a_key_that_is_made_by_a_function_is_made_where_the_call_is():
    found = FakeApp().task(name="t", concurrency_limit=3, concurrency_key=lambda tenant: "k")(lambda tenant: None)
    assert policy_of(found, found.app.conf).concurrency_key is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"concurrency_limit": 0}, "concurrency_limit must be at least 1, got 0"),
        ({"concurrency_limit": "3"}, "concurrency_limit must be a whole number, got '3'"),
        ({"concurrency_limit": True}, "concurrency_limit must be a whole number"),
        ({"concurrency_key": "{0}"}, "give both"),
        ({"concurrency_limit": 3, "concurrency_key": "{0.x}"}, "expected a text such as"),
        ({"concurrency_limit": 3, "concurrency_key": 7}, "concurrency_key must be a text such as"),
        ({"concurrency_limit": 3, "concurrency_key": "{nobody}"}, "and the task takes"),
    ],
)
def test_a_concurrency_that_makes_no_sense_is_told_where_the_task_is_made(options, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        FakeApp().task(name="t", **options)(lambda tenant: None)


def test_and_by_a_worker_where_it_comes_from_the_settings():
    app = FakeApp()
    task = app.task(name="t")(lambda tenant: None)
    task.concurrency_limit = -1
    with pytest.raises(ImproperlyConfigured, match="task t: concurrency_limit must be at least 1"):
        policy_of(task, app.conf)


def test_a_rate_may_be_that_of_all_workers_and_of_a_key():
    found = FakeApp().task(name="t", rate_limit=3, rate_limit_scope="global", rate_limit_key="tenant:{0}")(lambda tenant: None)
    own = policy_of(found, found.app.conf)
    assert (own.is_rate_shared, own.needs_leases, own.rate_limit_key.text) == (True, True, "tenant:{0}")
    assert list(own.signature.parameters) == ["tenant"]
    own = policy({}, rate_limit=3, rate_limit_scope="worker")
    assert (own.is_rate_shared, own.needs_leases) == (False, False)
    assert not policy({"worker_disable_rate_limits": True}, rate_limit_scope="global").needs_leases


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rate_limit_scope": "world"}, "rate_limit_scope must be 'worker' or 'global', got 'world'"),
        ({"rate_limit_key": 7}, "rate_limit_key must be a text such as"),
        ({"rate_limit_key": "{nobody}"}, "and the task takes"),
    ],
)
def test_a_rate_that_makes_no_sense_is_told_where_the_task_is_made(options, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        FakeApp().task(name="t", rate_limit=3, **options)(lambda tenant: None)
    if "{" not in str(options):
        with pytest.raises(ImproperlyConfigured, match=f"task t: {text}"):
            policy({}, **options)
