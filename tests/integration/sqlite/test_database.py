import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from umbel.brokers.base import ConnectionState
from umbel.brokers.sqlite import leases
from umbel.clients.sqlite.database import BUSY_TIMEOUT, SCHEMA_VERSION, Busy, Database
from umbel.clients.sqlite.doorbell import MESSAGES, Bell, Listener, directory_of
from umbel.errors import OperationalError
from umbel.testing.brokers import BrokerKit
from umbel.testing.coroutines import on_loop


@pytest.fixture
def kit(tmp_path):
    made = BrokerKit("sqlite", f"sqlite:///{tmp_path}/umbel.db")
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "umbel.db"


@pytest.fixture
def database(path):
    made = Database(str(path))
    yield made
    made.close()


def count(database):
    return database.read(lambda connection: connection.execute("SELECT count(*) FROM umbel_messages").fetchone()[0])


class TestOpening:
    def test_the_tables_fit_into_an_applications_own_file(self, path, database):
        with sqlite3.connect(path) as theirs:
            theirs.execute("CREATE TABLE messages (id INTEGER)")
        theirs.close()
        assert count(database) == 0
        names = database.read(lambda connection: connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall())
        assert all(name.startswith(("umbel_", "sqlite_")) or name == "messages" for (name,) in names)

    def test_sqlite_itself_finds_no_fault(self, kit, path):
        kit.publish(kit.queue(), b"x")
        with sqlite3.connect(path) as theirs:
            assert theirs.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        theirs.close()

    def test_many_processes_may_make_it_at_once(self, path):
        code = f"from umbel.clients.sqlite.database import Database as D; d = D({str(path)!r}); d.write(lambda c: None); d.close()"
        running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
        assert [process.wait(20) for process in running] == [0, 0, 0, 0]

    def test_a_newer_version_is_left_alone(self, path, database):
        database.write(lambda connection: connection.execute("INSERT INTO umbel_schema VALUES (?)", (SCHEMA_VERSION + 1,)))
        database.close()
        with pytest.raises(OperationalError, match="upgrade Umbel"):
            count(database)

    @pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
    def test_some_other_file(self, path, database, content):
        path.write_bytes(content)
        with pytest.raises(OperationalError, match=r"not a database|damaged"):
            count(database)
        assert path.read_bytes() == content

    def test_no_directory(self, tmp_path):
        with pytest.raises(OperationalError, match="a folder that exists"):
            count(Database(str(tmp_path / "absent" / "umbel.db")))

    def test_read_only(self, kit, path):
        queue = kit.queue()
        kit.publish(queue, b"x")
        other = kit.broker().publisher()
        path.chmod(0o444)
        if os.access(path, os.W_OK):  # the superuser may write anyway
            kit.main.publisher()._database._connection.execute("PRAGMA query_only=ON")
            other = kit.publisher
        with pytest.raises(OperationalError, match="writable"):
            kit_publish(other, queue)
        path.chmod(0o644)

    def test_a_full_disk(self, kit):
        queue = kit.queue()
        kit.publish(queue, b"x")
        connection = kit.publisher._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(OperationalError, match="disk is full"):
            kit.publish(queue, b"x" * 100_000)
        connection.execute("PRAGMA max_page_count=1000000")
        kit.publish(queue, b"fits again")
        assert kit.length(queue) == 2

    def test_a_transaction_that_sqlite_has_ended_does_not_hide_why(self, path, monkeypatch):
        # On a disk that is really full SQLite rolls back by itself.
        monkeypatch.setattr("umbel.clients.sqlite.database._statements", lambda: ["ROLLBACK", "SELECT * FROM nowhere"])
        with pytest.raises(OperationalError, match="nowhere"):
            count(Database(str(path)))


def kit_publish(publisher, queue):
    from umbel.brokers.topology import Destination
    from umbel.wire.message import Message

    publisher.publish(Message(b"y", {}), Destination.of(queue))


class TestBusy:
    def test_a_writer_waits_for_another(self, path, database):
        count(database)
        theirs = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        theirs.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="locked"):
            database.attempt(lambda connection: None)
        with pytest.raises(OperationalError, match="locked by another process"):
            database.write(lambda connection: None, timeout=0.05)
        timer = threading.Timer(0.1, theirs.execute, ["COMMIT"])
        timer.start()
        assert database.write(lambda connection: "done") == "done"
        timer.join()
        theirs.close()
        assert BUSY_TIMEOUT == 30

    @pytest.mark.parametrize("new", [True, False])
    def test_a_long_wait_is_told_once(self, path, monkeypatch, caplog, new):
        monkeypatch.setattr("umbel.clients.sqlite.database._SILENCE", 0.05)
        if not new:
            with contextlib.closing(Database(str(path))) as before:
                count(before)
        theirs = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        theirs.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(0.3, theirs.execute, ["COMMIT"])
        timer.start()
        with contextlib.closing(Database(str(path))) as database:
            assert database.write(lambda connection: "done") == "done"
        timer.join()
        theirs.close()
        (told,) = caplog.messages
        assert told == f"SQLite database {path} is locked by another process; waiting for up to 30 s"

    def test_what_fails_is_taken_back(self, database):
        def work(connection):
            connection.execute("INSERT INTO umbel_queues (name) VALUES ('q')")
            raise ValueError

        with pytest.raises(ValueError):
            database.write(work)
        assert database.read(lambda connection: connection.execute("SELECT count(*) FROM umbel_queues").fetchone()) == (0,)

    @on_loop
    async def test_a_consumer_does_not_block_the_loop_meanwhile(self, kit, path, monkeypatch):
        queue = kit.queue()
        kit.publish(queue, b"1")
        async with kit.consuming(queue) as sink:
            held = await sink.take(1)
            theirs = sqlite3.connect(path, isolation_level=None)
            theirs.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("the loop sleeps"))
            sink.consumer.ack(held)
            flushed = asyncio.ensure_future(sink.consumer.flush())
            slowest = 0.0
            for _ in range(50):
                before = time.perf_counter()
                await asyncio.sleep(0.002)
                slowest = max(slowest, time.perf_counter() - before)
            assert not flushed.done()
            assert slowest < 0.05
            monkeypatch.undo()
            theirs.execute("COMMIT")
            theirs.close()
            await asyncio.wait_for(flushed, 5)
        assert kit.length(queue) == 0


class TestReplacedFile:
    def test_the_publisher_goes_on_in_the_new_one(self, kit, path):
        queue = kit.queue()
        kit.publish(queue, b"old")
        path.unlink()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        kit.publish(queue, b"new")
        with kit.client() as client:
            assert client.get(queue.name).body == b"new"

    @on_loop
    async def test_the_consumer_gives_up_what_it_held(self, kit, path):
        queue = kit.queue()
        kit.publish(queue, b"old")
        async with kit.consuming(queue) as sink:
            held = await sink.take(1)
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            kit.publish(queue, b"new")
            assert (await sink.one()).body == b"new"
            assert sink.lost == held
            sink.consumer.ack(held)
            await sink.consumer.flush()

    @on_loop
    async def test_the_consumer_waits_for_a_file_it_can_use(self, kit, path):
        queue = kit.queue()
        async with kit.consuming(queue) as sink:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.write_bytes(b"this is not a database" * 100)
            await asyncio.wait_for(sink.until(lambda: ConnectionState.RETRYING in sink.states), 5)
            path.unlink()
            kit.publish(queue, b"new")
            assert (await sink.one()).body == b"new"
            assert sink.states[-1] is ConnectionState.CONNECTED


class TestUntrustedRows:
    @on_loop
    async def test_strange_columns_are_deliveries_with_flaws(self, kit, path):
        queue = kit.queue()
        kit.publish(queue, b"good")
        rows = [
            ("x", 0, "{}", b""),
            (0, "y", b"\xff\xfe", b""),
            (0, 0, "{}", "text \udc80".encode(errors="surrogateescape").decode("latin-1")),
            (b"\xff", b"\xff", "{}", 5),
        ]
        theirs = sqlite3.connect(path)
        for priority, attempts, envelope, body in rows:
            theirs.execute(
                "INSERT INTO umbel_messages (queue, priority, attempts, envelope, body) VALUES (?, ?, ?, ?, ?)",
                (queue.name, priority, attempts, envelope, body),
            )
        theirs.execute(
            "INSERT INTO umbel_messages (queue, envelope, body, extra) VALUES (?, CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT))",
            (queue.name,),
        )
        theirs.commit()
        theirs.close()
        async with kit.consuming(queue) as sink:
            found = await sink.take(6)
            assert [delivery.body for delivery in found if delivery.flaw is None] == [b"good"]
            assert all(type(delivery.attempts) is int for delivery in found)
            for delivery in found:
                await sink.consumer.dead_letter(delivery, "undecodable", "")
        assert kit.length(queue) == 0
        assert kit.length(queue.name + ".dead") == 6


class TestHolders:
    def test_leases(self, database):
        def work(connection):
            first = leases.register(connection, "first", 30.0, now=100.0)
            leases.restore_expired(connection, now=129.0)
            assert leases.renew(connection, first, now=129.0)
            leases.restore_expired(connection, now=158.0)
            assert connection.execute("SELECT count(*) FROM umbel_holders").fetchone() == (1,)
            leases.restore_expired(connection, now=160.0)
            assert not leases.renew(connection, first, now=160.0)
            assert leases.register(connection, "second", 30.0, now=160.0) > first

        database.write(work)

    def test_a_lease_from_before_the_boot_is_over(self, database):
        def work(connection):
            old = leases.register(connection, "old", 30.0, now=500_000.0)
            leases.restore_expired(connection, now=12.0)
            assert not leases.renew(connection, old, now=12.0)

        database.write(work)

    @on_loop
    async def test_a_consumer_that_was_given_up_says_what_it_lost(self, kit):
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            held = await sink.take(1)
            database = sink.consumer._database
            database.write(lambda connection: leases.restore_expired(connection, time.monotonic() + 100))
            again = await sink.one()
            assert sink.lost == held
            sink.consumer.ack(held)
            await sink.consumer.flush()
            assert (again.body, again.redelivered) == (b"x", True)
            sink.consumer.ack([again])
        assert kit.length(queue) == 0

    @on_loop
    async def test_who_is_kept_from_renewing_keeps_what_it_holds(self, kit, path):
        queue = kit.queue()
        kit.publish(queue, b"1", b"2")
        async with kit.consuming(queue, window=1) as one, kit.consuming(queue, window=1) as other:
            held, too = await one.take(1), await other.take(1)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as foreign:
                foreign.execute("BEGIN IMMEDIATE")
                await asyncio.sleep(2 * kit.lease)
            await other.quiet(kit.lease)
            assert not one.lost
            assert not other.lost
            for sink, deliveries in ((one, held), (other, too)):
                sink.consumer.ack(deliveries)
                await sink.consumer.flush()
        assert kit.length(queue) == 0

    @on_loop
    async def test_an_exclusive_queue_goes_with_its_consumer(self, kit):
        queue = kit.queue(exclusive=True)
        async with kit.consuming(queue) as sink:
            kit.publish(queue, b"x")
            await sink.one()
        assert kit.length(queue) is None


class TestDoorbell:
    def test_a_ring_is_heard_by_all_of_its_kind(self, path):
        path.touch(mode=0o600)
        one, two, other = Listener(str(path), MESSAGES), Listener(str(path), MESSAGES), Listener(str(path), "r")
        bell = Bell(str(path), MESSAGES)
        bell.ring()
        for listener in (one, two, other):
            listener.open()
        bell.ring()
        assert one.socket.recv(9) == two.socket.recv(9) == b"!"
        with pytest.raises(BlockingIOError):
            other.socket.recv(9)
        assert stat.S_IMODE(Path(directory_of(str(path))).stat().st_mode) == 0o700
        for listener in (one, two, other):
            listener.close()
        bell.close()
        assert not Path(directory_of(str(path))).exists()

    def test_nobody_needs_to_listen(self, path):
        listener, bell = Listener(str(path), MESSAGES), Bell(str(path), MESSAGES)
        listener.open()
        for _ in range(5000):
            bell.ring()
        listener.drain()
        listener.close()
        bell.close()

    def test_what_a_dead_process_left_is_removed(self, path):
        code = (
            "import os; from umbel.clients.sqlite.doorbell import Listener; "
            f"l = Listener({str(path)!r}, 'm'); l.open(); assert l.socket; os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        assert len(list(Path(directory_of(str(path))).iterdir())) == 1
        bell = Bell(str(path), MESSAGES)
        bell.ring()
        bell.close()
        assert list(Path(directory_of(str(path))).iterdir()) == []

    def test_a_long_path_rings_elsewhere(self, tmp_path):
        deep = tmp_path / ("d" * 90) / "umbel.db"
        deep.parent.mkdir()
        listener, bell = Listener(str(deep), MESSAGES), Bell(str(deep), MESSAGES)
        listener.open()
        bell.ring()
        assert listener.socket.recv(9) == b"!"
        listener.close()
        bell.close()
        assert not Path(directory_of(str(deep))).exists()

    @on_loop
    async def test_without_it_one_polls(self, kit, path):
        Path(directory_of(str(path))).write_text("in the way")
        queue = kit.queue()
        async with kit.consuming(queue) as sink:
            assert sink.consumer._listener.socket is None
            await asyncio.sleep(0.2)
            kit.publish(queue, b"x")
            assert (await sink.one(timeout=0.5)).body == b"x"


class TestFork:
    def test_no_connection_crosses_a_fork(self, database):
        count(database)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                assert database._connection is None
                assert count(database) == 0
                database.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert count(database) == 0


def test_what_is_new_is_its_owners_alone(tmp_path):
    before = os.umask(0o022)
    try:
        database = Database(str(tmp_path / "umbel.db"))
        database.write(lambda connection: connection.execute("create table more (x)"))
        assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
            "umbel.db": "0o600",
            "umbel.db-wal": "0o600",
            "umbel.db-shm": "0o600",
        }
        database.close()
    finally:
        os.umask(before)


def test_a_place_without_a_write_ahead_log_is_told_of_once(tmp_path, caplog):
    """SQLite's answer where shared memory cannot be had: it goes on with another journal."""

    class Elsewhere:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, statement, *values):
            return self.connection.execute("PRAGMA journal_mode=DELETE" if "journal_mode" in statement else statement, *values)

        def __getattr__(self, name):
            return getattr(self.connection, name)

    database = Database(str(tmp_path / "umbel.db"))
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        database._prepare(Elsewhere(connection))
        database._prepare(Elsewhere(connection))
    database.close()
    assert caplog.text.count("cannot have a write-ahead log here (its journal is 'delete')") == 1
