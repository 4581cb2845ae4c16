"""Servers that restart, are away or refuse; and many at once."""

from __future__ import annotations

import random
import threading
import time
from itertools import count

import pytest
import sqlalchemy as sa

from conftest import MARIADB, POSTGRESQL, sql_database
from system.processes import eventually
from umbel.clients.sql.addresses import url_of
from umbel.errors import AccessRefused, OperationalError
from umbel.results.group_store import ChordClaim, ChordPart

from .conftest import Kit, new, record


def together(*works):
    """Run functions in threads; raises what one of them raised."""
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def cut(kit, name=None):
    """End all connections that stores have to a database, as a restart does."""
    ours = "datname = coalesce(:name, current_database())"
    kit.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours} AND pid <> pg_backend_pid()", {"name": name})


@pytest.mark.postgresql
@pytest.mark.parametrize("options", [{}, {"engine_options": {}}], ids=["pings", "does-not-ping"])
def test_cut_connections_lose_nothing(postgresql, options):
    writers, ids, stop = [postgresql.store(database=options) for _ in range(2)], [], threading.Event()
    reader = postgresql.store(database=options)
    last = new()

    def write(store):
        def work():
            while not stop.is_set():
                burst = [new() for _ in range(5)]
                store.store([record(task_id, result=task_id) for task_id in burst])
                ids.extend(burst)

        return work

    def disturb():
        try:
            for wanted in range(20, 220, 20):
                eventually(lambda wanted=wanted: len(ids) >= wanted or stop.is_set(), 60)
                cut(postgresql)
        finally:
            stop.set()
            writers[0].store([record(last, result="last")])

    together(*(write(store) for store in writers), disturb, lambda: reader.wait(last, 60))
    assert len(ids) >= 200
    assert {task_id: found.result for task_id, found in reader.fetch(ids).items()} == {task_id: task_id for task_id in ids}


@pytest.mark.postgresql
def test_chords_count_through_cut_connections(postgresql):
    store, group, turns = postgresql.store(), new(), []
    store.groups.open(group, 60)
    numbers = iter(range(60))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
                if number is not None and number % 15 == 7:
                    cut(postgresql)
            if number is None:
                return
            turns.extend(store.groups.count([ChordPart(group, f"task-{number}", number, "SUCCESS", number)]))

    together(*[work] * 4)
    while not any(isinstance(turn, ChordClaim) for turn in turns):  # whose answer was cut off asks again, as a redelivery does
        turns.extend(store.groups.count([ChordPart(group, "task-59", 59, "SUCCESS", 59)]))
        time.sleep(0.1)
    (claim,) = [turn for turn in turns if isinstance(turn, ChordClaim)]
    assert [part.result for part in claim.parts] == list(range(60))


def test_bursts_of_the_same_tasks_in_any_order(kit):
    ids = [new() for _ in range(30)]
    stores = [kit.store() for _ in range(3)]

    def write(store, seed):
        def work():
            shuffled, chance = [*ids], random.Random(seed)
            for turn in range(8):
                chance.shuffle(shuffled)
                status = "SUCCESS" if turn == 7 else "STARTED"
                store.store([record(task_id, status, [seed, turn], parent_id="p") for task_id in shuffled])
                store.fetch(shuffled[:10])

        return work

    together(*(write(store, seed) for seed, store in enumerate(stores)))
    assert {found.status for found in stores[0].fetch(ids).values()} == {"SUCCESS"}


def test_of_two_ends_at_once_one_stays_whole(kit):
    stores, ids = [kit.store(), kit.store()], [new() for _ in range(25)]
    barrier = threading.Barrier(2)
    ends = [("SUCCESS", "mine", None), ("FAILURE", {"exc_type": "E", "exc_message": [], "exc_module": "m"}, "T")]
    first = {}

    def write(store, end):
        status, result, traceback = end

        def work():
            for task_id in ids:
                barrier.wait(60)
                store.store([record(task_id, status, result, traceback=traceback)])
                first.setdefault(task_id, store.fetch([task_id])[task_id])

        return work

    together(*(write(store, end) for store, end in zip(stores, ends, strict=True)))
    for task_id, found in stores[0].fetch(ids).items():
        assert (found.status, found.result, found.traceback) in ends
        assert found == first[task_id]


@pytest.mark.postgresql
def test_many_threads_wait_on_one_connection(postgresql):
    reader = postgresql.store(f"{postgresql.url}?application_name=umbel_reader")
    writer, ids, found = postgresql.store(), [new() for _ in range(500)], []
    started = count()

    def wait(task_id):
        next(started)
        found.append(reader.wait(task_id, 120).result)

    threads = [threading.Thread(target=wait, args=(task_id,)) for task_id in ids]
    for thread in threads:
        thread.start()
    writer.store([record(task_id, result=number) for number, task_id in enumerate(ids)])
    for thread in threads:
        thread.join(120)
    assert sorted(found) == list(range(500))
    pool = reader._database._engine.pool
    # One for who looks before it waits, one for the thread that looks for all.
    assert pool.checkedin() + pool.checkedout() <= 2


@pytest.mark.mariadb
def test_a_wrong_password(mariadb_url):
    kit = Kit(mariadb_url.replace("root@", "root:wrong-secret@"))
    try:
        with pytest.raises(AccessRefused, match="Access denied for user") as caught:
            kit.store().fetch(["x"])
        assert "wrong-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {kit.stores[0].public_url()}"
    finally:
        kit.close()


@pytest.mark.parametrize("url", ["db+postgresql+psycopg://u:geheim@127.0.0.1:1/n", "db+mysql+pymysql://u:geheim@127.0.0.1:1/n"])
def test_a_server_that_is_away(url):
    kit = Kit(url)
    store = kit.store()
    with pytest.raises(OperationalError, match=r"tried for 0.3 s") as caught:
        store._database.run(lambda connection: None, 0.3)
    assert not caught.value.is_permanent
    assert "127.0.0.1" in str(caught.value)
    assert "geheim" not in str(caught.value)
    kit.close()


@pytest.mark.postgresql
def test_a_server_that_comes_back(postgresql):
    store, task_id, admin = postgresql.store(), new(), Kit(f"db+{url_of(POSTGRESQL).render_as_string(hide_password=False)}")
    store.store([record(new())])
    name = postgresql.url.rpartition("/")[2]
    try:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cut(admin, name)
        refused = threading.Event()
        sa.event.listen(store._database._engine, "do_connect", lambda *_: refused.set())
        thread = threading.Thread(target=store.store, args=([record(task_id, result=1)],))
        thread.start()
        assert refused.wait(30)
        with pytest.raises(OperationalError, match="not currently accepting connections"):
            postgresql.store()._database.run(lambda connection: None, 0.1)
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        thread.join(60)
        assert store.fetch([task_id])[task_id].result == 1
    finally:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        admin.close()


@pytest.mark.mariadb
def test_a_database_that_does_not_exist():
    with sql_database(MARIADB) as url:
        gone = url
    kit = Kit(gone)
    try:
        with pytest.raises(OperationalError, match="Unknown database") as caught:
            kit.store().store([record(new())])
        assert caught.value.is_permanent
    finally:
        kit.close()
