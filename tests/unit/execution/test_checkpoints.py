from __future__ import annotations

import pytest

from umbel import states
from umbel.errors import EncodeError, ImproperlyConfigured, OperationalError
from umbel.execution.checkpoints import INTERVAL, MOST_BYTES, Checkpoints
from umbel.execution.model import RunHandlers, Store
from umbel.results.base import StoreOptions
from umbel.results.memory import connect
from umbel.testing.fakes import FakeApp


class Run:
    """A run with a store and a clock."""

    def __init__(self, store=None):
        self.now = 100.0
        self.store = store or connect(StoreOptions(url="memory://"))
        self.checkpoints = Checkpoints(self.store, "i", lambda: self.now)

    @property
    def stored(self):
        return Checkpoints(self.store, "i").read()


def test_one_a_second_is_stored_and_the_last_is_read():
    run = Run()
    assert run.checkpoints.save(1, force=False)
    assert not run.checkpoints.save(2, force=False)
    assert (run.stored, run.checkpoints.read()) == (1, 2)
    run.now += INTERVAL
    assert run.checkpoints.save(3, force=False)
    assert run.checkpoints.save(4, force=True)
    assert run.stored == 4


def test_what_is_too_large_or_cannot_be_written_is_told():
    run = Run()
    with pytest.raises(EncodeError, match=r"the checkpoint of task i is 262,146 bytes long, and may be 262,144: keep in it where"):
        run.checkpoints.save("x" * MOST_BYTES, force=False)
    with pytest.raises(EncodeError, match="the checkpoint of task i cannot be stored"):
        run.checkpoints.save(object(), force=True)


def test_a_store_that_is_away_costs_the_checkpoint_and_not_the_task(caplog):
    class Away:
        options = StoreOptions(url="memory://")

        def store(self, records):
            raise OperationalError("away")

        forget = store

    run = Run(Away())
    assert not run.checkpoints.save(1, force=True)
    assert "could not be stored: away. The task goes on." in caplog.text
    run.checkpoints._is_stored = True
    (drop,) = run.checkpoints.effects_of_end(goes_on=False)
    drop.function()
    assert "stays until results expire: away" in caplog.text


def test_at_the_end_it_is_dropped_and_before_another_run_it_is_stored():
    run = Run()
    assert run.checkpoints.effects_of_end(goes_on=False) == ()
    run.checkpoints.save(1, force=True)
    assert run.checkpoints.effects_of_end(goes_on=True) == ()
    run.checkpoints.save(2, force=False)
    (store,) = run.checkpoints.effects_of_end(goes_on=True)
    assert (type(store), store.record.result) == (Store, 2)
    (drop,) = run.checkpoints.effects_of_end(goes_on=False)
    assert type(drop) is RunHandlers
    drop.function()
    assert run.stored is None


@pytest.fixture
def app():
    return FakeApp()


def test_a_task_reads_what_the_attempt_before_has_kept(app):
    @app.task(name="t", bind=True, max_retries=1)
    def job(self):
        found = self.request.checkpoint
        if found is None:
            self.checkpoint({"row": 1})
            self.checkpoint({"row": 2})
            assert self.request.checkpoint == {"row": 2}
            raise self.retry(countdown=0)
        return found

    job.delay()
    assert app.run().state == states.RETRY
    assert app.run().state == states.SUCCESS
    assert [record.result for record in app.records.records if record.status == "SUCCESS"] == [{"row": 2}]
    assert not [record for record in app.records.records if record.status == "CHECKPOINT"]


def test_without_a_worker_it_is_kept_for_the_run(app):
    @app.task(name="t", bind=True)
    def job(self):
        assert self.request.checkpoint is None
        assert not self.checkpoint(1, force=True)
        return self.request.checkpoint

    assert (job(), job.apply().get()) == (1, 1)
    assert not app.records.records


def test_a_store_that_keeps_none_is_told(app, monkeypatch):
    @app.task(name="t", bind=True, throws=ImproperlyConfigured)
    def job(self):
        return self.checkpoint(1)

    job.delay()
    monkeypatch.setattr(app.records, "shared", False)
    assert "task t has checkpoints, which need a result store such as Redis, SQLite or an SQL database" in app.run().detail
