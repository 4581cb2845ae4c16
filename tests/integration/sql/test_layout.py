"""Tables that others have made, and users that may not do everything."""

from __future__ import annotations

import pickle
import threading
from datetime import UTC, datetime

import pytest

from umbel.errors import AccessRefused, ContentDisallowed, OperationalError

from .conftest import new, record

pytestmark = pytest.mark.postgresql

#: As a Celery before 5.7 makes it without ``result_extended``.
OLD = """CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY, task_id VARCHAR(155) UNIQUE, status VARCHAR(50), result BYTEA,
    date_done TIMESTAMP, traceback TEXT)"""
EXTENDED = {"name": "t", "args": [1], "kwargs": {"x": 1}, "worker": "w@h", "retries": 2, "queue": "q", "stamped_headers": ["s"], "s": 5}


@pytest.fixture
def old(postgresql):
    postgresql.execute("CREATE SEQUENCE task_id_sequence")
    postgresql.execute(OLD)
    return postgresql


@pytest.fixture
def limited(old, unique):
    """A user that may use Celery's old table, and nothing else; yields the URL and what grants it more."""
    name = unique("umbel").replace("-", "_")
    old.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'geheim'")
    try:
        old.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON celery_taskmeta TO {name}")
        old.execute(f"GRANT USAGE ON task_id_sequence TO {name}")
        yield old.url.replace("postgres@", f"{name}:geheim@"), lambda what: old.execute(f"{what} {name}")
    finally:
        for store in old.stores:
            store.close()
        old.execute(f"DROP OWNED BY {name}")
        old.execute(f"DROP ROLE {name}")


def write_pickle(kit, value):
    task_id = new()
    kit.execute(
        "INSERT INTO celery_taskmeta VALUES (nextval('task_id_sequence'), :id, 'SUCCESS', :result, :now, NULL)",
        {"id": task_id, "result": pickle.dumps(value), "now": datetime.now(UTC).replace(tzinfo=None)},
    )
    return task_id


def test_an_old_table_gets_the_columns_that_are_needed(old):
    store, plain, full = old.store(), new(), new()

    def columns():
        found = old.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'celery_taskmeta'")
        return {name for (name,) in found}

    store.store([record(plain, result=1)])
    assert "children" not in columns()
    store.store([record(full, result=2, children=[[["c", None], None]], extended=EXTENDED)])
    assert {"children", *EXTENDED} - {"stamped_headers", "s"} <= columns()
    found = old.store().fetch([plain, full])
    assert (found[plain].result, found[full].result, found[full].extended) == (1, 2, EXTENDED)
    assert list(found[full].children) == [[["c", None], None]]


def test_pickled_results_of_older_celery(old):
    plain, error = write_pickle(old, {"a": [1, (2,)]}), write_pickle(old, ValueError("no"))
    store = old.store()
    assert store.fetch([plain])[plain].result == {"a": [1, (2,)]}
    with pytest.raises(ContentDisallowed, match="result_accept_content"):
        store.fetch([error])
    found = old.store(accept=frozenset({"json", "pickle"})).fetch([error])
    assert isinstance(found[error].result, ValueError)


def test_a_user_that_may_make_no_tables(old, limited, caplog):
    store, task_id = old.store(limited[0]), new()
    store.store([record(task_id, result=1, parent_id="p", extended=EXTENDED)])
    assert store.fetch([task_id])[task_id].result == 1
    assert "umbel_chords" in caplog.text
    assert "may not be added" in caplog.text
    assert "geheim" not in caplog.text
    store.forget([task_id])
    assert store.fetch([task_id]) == {}
    with pytest.raises(OperationalError, match="umbel_chords"):
        store.groups.open(new(), 2)


def test_a_user_that_may_add_no_columns_keeps_everything_beside(old, limited):
    url, grant = limited
    old.store().store([record(new(), parent_id="p")])  # makes our tables
    grant("GRANT SELECT, INSERT, UPDATE, DELETE ON umbel_task_extra TO")
    store, task_id = old.store(url), new()
    store.store([record(task_id, children=[[["c", None], None]], parent_id="p", extended=EXTENDED)])
    found = store.fetch([task_id])[task_id]
    assert (found.parent_id, found.extended, found.children) == ("p", EXTENDED, [[["c", None], None]])


def test_a_user_that_may_only_read(old, limited):
    url, grant = limited
    task_id = write_pickle(old, 5)
    grant("REVOKE INSERT, UPDATE, DELETE ON celery_taskmeta FROM")
    store = old.store(url)
    assert store.fetch([task_id])[task_id].result == 5
    assert store.wait(task_id, 5).result == 5
    with pytest.raises(AccessRefused, match="permission denied for table celery_taskmeta") as caught:
        store.store([record(new())])
    assert "geheim" not in str(caught.value)


def test_tables_in_schemas(postgresql):
    with pytest.raises(OperationalError, match="absent"):
        postgresql.store(database={"table_schemas": {"task": "absent"}}).fetch(["x"])
    for name in ("one", "two"):
        postgresql.execute(f"CREATE SCHEMA {name}")
    store, task_id = postgresql.store(database={"table_schemas": {"task": "one", "group": "two"}}), new()
    store.store([record(task_id, parent_id="p")])
    store.groups.save(task_id, [])
    store.groups.open(task_id, 1)
    found = postgresql.execute("SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('one', 'two')")
    assert {f"{schema}.{name}" for schema, name in found} == {
        "one.celery_taskmeta", "one.umbel_revoked", "one.umbel_task_extra", "two.celery_tasksetmeta", "two.umbel_chords", "two.umbel_chord_parts",
        "two.umbel_chord_bodies",
    }  # fmt: skip


def test_many_make_the_tables_at_once(postgresql):
    barrier, stores, errors = threading.Barrier(6), [postgresql.store() for _ in range(6)], []

    def begin(store):
        barrier.wait(10)
        try:
            store.store([record(new(), parent_id="p")])
            store.groups.open(new(), 1)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert postgresql.execute("SELECT count(*) FROM celery_taskmeta") == [(6,)]
