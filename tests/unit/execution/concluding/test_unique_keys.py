"""A task that ends frees its unique key, before anything is stored; one that goes on keeps it."""

from __future__ import annotations

import pytest

from umbel.errors import Ignore, Reject
from umbel.execution.model import FreeKey
from umbel.messages.task_keys import KEYS
from umbel.testing.fakes import FakeApp


@pytest.fixture
def app():
    return FakeApp()


def end(app, body, **options):
    """Run a task to its end; returns what is told of its key, and its message."""

    @app.task(name="t", bind=True, unique_key="{0}", **options)
    def run(self, key):
        return body(self, key)

    handle = run.delay("k")
    execution = app.runner("w@h").execute(app.job())
    return handle.id, [effect for effect in execution.effects if isinstance(effect, FreeKey)], execution


def raise_(error):
    raise error


@pytest.mark.parametrize(
    "body",
    [
        lambda self, key: 1,
        lambda self, key: raise_(ValueError("x")),
        lambda self, key: raise_(Ignore()),
        lambda self, key: raise_(Reject("no")),
        lambda self, key: object(),
    ],
    ids=["success", "failure", "ignore", "reject", "unwritable"],
)
def test_an_end_frees_it(app, body):
    task_id, freed, _ = end(app, body)
    assert freed == [FreeKey("unique:t:k", task_id)]


@pytest.mark.parametrize("body", [lambda self, key: raise_(Reject(requeue=True)), lambda self, key: raise_(self.retry(countdown=5))])
def test_what_goes_on_keeps_it(app, body):
    assert end(app, body)[1] == []


def test_a_key_that_was_held_until_the_start_is_no_business_of_its_end(app):
    assert end(app, lambda self, key: 1, unique_until="start")[1] == []


def test_the_next_attempt_has_the_key_of_the_first_whatever_its_arguments_are(app):
    _, _, execution = end(app, lambda self, key: raise_(self.retry(args=("other",), countdown=5)))
    ((message, _),) = execution.publications
    assert message.headers[KEYS]["unique"] == "k"


def test_and_none_where_the_first_was_sent_without(app):
    @app.task(name="t", bind=True, unique_key="{0}")
    def run(self, key):
        raise self.retry(countdown=5)

    run.apply_async(("k",), unique_key=False)
    ((message, _),) = app.runner("w@h").execute(app.job()).publications
    assert KEYS not in message.headers


def test_it_is_free_when_the_result_can_be_seen(app):
    @app.task(name="t", unique_key="{0}")
    def run(key):
        return key

    first = run.delay("k")
    seen, store = [], app.records.store
    app.records.store = lambda records: seen.append(app.leases.holders("unique:t:k")) or store(records)
    app.run()
    assert seen == [[]]
    assert run.delay("k").id != first.id


def test_a_header_that_is_none_changes_nothing(app):
    @app.task(name="t")
    def run():
        return 1

    run.delay()
    for forged in ("x", {"unique": "k"}, {"unique": ["k"], "until": "finish", "for": 1}):
        assert app.run(app.job(**{KEYS: forged})).state == "SUCCESS"


def test_nobody_frees_a_key_that_is_anothers(app):
    """A message names its own task's keys only, and gives up its own id's only."""

    @app.task(name="t", unique_key="{0}")
    def run(key):
        return 1

    @app.task(name="other")
    def other():
        return 1

    mine = run.delay("k")
    other.delay()
    app.run(app.job(**{KEYS: {"unique": "k", "until": "finish", "for": 60.0}}))
    app.run(app.job(task="t", id="forged", **{KEYS: {"unique": "k", "until": "finish", "for": 60.0}}))
    assert [holder.owner for holder in app.leases.holders("unique:t:k")] == [mine.id]
