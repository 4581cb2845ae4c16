"""Results in SQL databases, beyond the contract."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from umbel.errors import ImproperlyConfigured

from .conftest import new, record

engines = []


def keep_engine(engine):
    engines.append(engine)


def test_the_reader_says_how_long_records_are_kept(kit):
    store, forever, task_id = kit.store(expires=60), kit.store(expires=None), new()
    store.store([record(task_id, result=1, date_done="2020-01-01T00:00:00+00:00", parent_id="p")])
    assert store.fetch([task_id]) == {}
    assert forever.fetch([task_id])[task_id].result == 1
    assert forever.cleanup() == 0
    assert forever.fetch([task_id])[task_id].result == 1
    store.store([record(task_id, result="again")])
    assert store.fetch([task_id])[task_id].result == "again"
    forever.store([record(task_id, result="late")])
    assert store.fetch([task_id])[task_id].result == "again"


def test_cleaning_up(kit):
    store, forever = kit.store(expires=60), kit.store(expires=None)
    old, kept = [new() for _ in range(1203)], new()
    store.store([record(task_id, date_done="2020-01-01T00:00:00+00:00", parent_id="p") for task_id in old])
    store.store([record(kept, parent_id="p")])
    assert store.cleanup() >= len(old)  # of other tests, too
    listed = ", ".join(repr(task_id) for task_id in old[:50])
    assert set(forever.fetch([*old, kept])) == {kept}
    assert forever.fetch([kept])[kept].parent_id == "p"
    assert kit.execute(f"SELECT count(*) FROM umbel_task_extra WHERE task_id IN ({listed})") == [(0,)]
    assert store.cleanup() == 0


def test_texts_and_ids_that_columns_do_not_take(kit):
    store = kit.store()
    odd = ["a\0b" + new(), "\ud800" + new(), "x" * 300, "X" * 300]
    store.store(
        [record(task_id, "FAILURE", number, traceback="T\0\ud800 𝄞", extended={"name": "n" * 500}) for number, task_id in enumerate(odd)]
    )
    found = store.fetch(odd)
    assert [found[task_id].result for task_id in odd] == [0, 1, 2, 3]
    assert found[odd[0]].traceback == "T\\x00\\ud800 𝄞"
    store.forget(odd)
    assert store.fetch(odd) == {}


def test_ids_differ_by_case(kit):
    store, mark = kit.store(), new()
    store.store([record(f"{mark}-a", result="small"), record(f"{mark}-A", result="large")])
    assert {key[-1]: found.result for key, found in store.fetch([f"{mark}-a", f"{mark}-A"]).items()} == {"a": "small", "A": "large"}


def test_large_results(kit):
    store, task_id = kit.store(), new()
    store.store([record(task_id, result="x" * 5_000_000)])
    assert len(store.fetch([task_id])[task_id].result) == 5_000_000


def test_compressed_results(kit):
    task_id = new()
    kit.store(compression="gzip").store([record(task_id, result="x" * 10_000, extended={"args": ["y"]})])
    found = kit.store().fetch([task_id])[task_id]
    assert (found.result, found.extended) == ("x" * 10_000, {"args": ["y"]})


def test_names_of_tables(kit):
    names, task_id = {"task": "my_tasks", "group": "my_groups"}, new()
    store = kit.store(database={"table_names": names})
    store.store([record(task_id, result=1)])
    store.groups.save(task_id, [[task_id, None], []])
    assert kit.execute("SELECT task_id FROM my_tasks WHERE task_id = :id", {"id": task_id}) == [(task_id,)]
    assert kit.execute("SELECT taskset_id FROM my_groups WHERE taskset_id = :id", {"id": task_id}) == [(task_id,)]
    assert kit.store().fetch([task_id]) == {}


def test_the_engine_gets_its_options_and_is_shown(kit):
    store = kit.store(database={"engine_options": {"pool_size": 1, "max_overflow": 0}, "engine_callback": f"{__name__}:keep_engine"})
    store.store([record(new())])
    assert engines[-1].pool.size() == 1
    store.close()
    store.store([record(new())])
    assert len({id(engine) for engine in engines[-2:]}) == 2
    shown = []
    other = kit.store(database={"engine_callback": shown.append})
    other.fetch([])
    other.fetch(["x"])
    assert isinstance(shown[0], sa.Engine)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engine_callback": 5}, "database_engine_callback is a int"),
        ({"engine_callback": "nothing"}, "database_engine_callback is 'nothing'"),
        ({"engine_callback": "no_such_module:x"}, "needs the library 'no_such_module'"),
        ({"table_names": {"tasks": "x"}}, "database_table_names has tasks: expected a mapping with task, group or both"),
        ({"table_schemas": {"x": "x"}}, "database_table_schemas has x"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, settings, words):
    from .conftest import Kit

    with pytest.raises(ImproperlyConfigured, match=words):
        Kit(f"db+sqlite:///{tmp_path}/x.db").store(database=settings)


def test_tables_that_are_dropped_are_made_again(kit):
    names = {"task": "brief"}
    store, task_id = kit.store(database={"table_names": names}), new()
    store.store([record(task_id)])
    kit.execute("DROP TABLE brief")
    with pytest.raises(Exception, match=r"exist|no such table"):
        store.store([record(task_id)])
    store.store([record(task_id, result=2)])
    assert store.fetch([task_id])[task_id].result == 2
