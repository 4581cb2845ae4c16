"""Waiting for results in many threads and on many event loops, over few connections."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path

import pytest

from system.processes import eventually
from umbel import errors
from umbel.errors import AccessRefused
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.redis import connect, watch

pytestmark = pytest.mark.redis


@pytest.fixture(autouse=True)
def nothing_is_read_again(monkeypatch):
    """What is not announced, or wakes nobody, is not noticed two seconds later: it is an error."""
    monkeypatch.setattr(watch, "READ_AGAIN", 60.0)


@pytest.fixture
def client(private):
    with private.client() as made:
        yield made


@pytest.fixture
def make(private):
    made = []

    def make(url=None, **options):
        made.append(connect(StoreOptions(url=url or private.url(), expires=60, **options)))
        return made[-1]

    yield make
    for store in made:
        store.close()


def new():
    return uuid7(time.time())


def record(task_id, status="SUCCESS", result=None):
    return Record(task_id=task_id, status=status, result=result)


class Waiter(threading.Thread):
    """Waits in a thread of its own."""

    def __init__(self, store, timeout=20, on_record=None, task_id=None):
        super().__init__(daemon=True)
        self.store, self.timeout, self.on_record, self.task_id = store, timeout, on_record, task_id or new()
        self.outcome = None
        self.start()

    def run(self):
        try:
            self.outcome = self.store.wait(self.task_id, self.timeout, self.on_record).result
        except BaseException as error:
            self.outcome = error

    def result(self):
        self.join(20)
        return self.outcome


def until_subscribed(client, waiters):
    channels = [waiter.store._key(waiter.task_id) for waiter in waiters]
    eventually(lambda: all(count for _, count in client.pubsub_numsub(*channels)), what="all are subscribed")


def connections(client):
    own = client.client_id()
    return [each for each in client.client_list() if int(each["id"]) != own]


def test_waiting_threads_share_one_connection(make, client):
    store, writer = make(max_connections=5), make()
    before = len(connections(client))
    waiters = [Waiter(store) for _ in range(50)]
    until_subscribed(client, waiters)
    assert len(connections(client)) - before == 1
    writer.store([record(waiter.task_id, result=number) for number, waiter in enumerate(waiters)])
    assert [waiter.result() for waiter in waiters] == list(range(50))
    eventually(lambda: client.pubsub_channels() == [], what="nothing is subscribed any more")


def test_commands_use_no_more_connections_than_they_may(make, client):
    store = make(max_connections=4)
    before = client.info("stats")["total_connections_received"]
    client.client_pause(500)
    threads = [threading.Thread(target=store.fetch, args=([new()],)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert client.info("stats")["total_connections_received"] - before == 3


def test_who_gets_no_connection_is_told_of_the_setting(make, client):
    store = make(max_connections=2)
    taken, leave = threading.Event(), threading.Event()

    def hold(_connection):
        taken.set()
        leave.wait(20)

    holder = threading.Thread(target=store._connections.use, args=(hold, 20))
    holder.start()
    assert taken.wait(20)
    with pytest.raises(errors.OperationalError, match="redis_max_connections"):
        store._connections.use(lambda connection: connection.call("PING"), 0.1)
    leave.set()
    holder.join(20)
    assert store.fetch([new()]) == {}


def test_a_slow_callback_keeps_nobody_waiting(make, client):
    store, writer = make(), make()
    begun, leave = threading.Event(), threading.Event()

    def on_record(_record):
        begun.set()
        leave.wait(20)

    slow = Waiter(store, on_record=on_record)
    until_subscribed(client, [slow])
    others = [Waiter(store) for _ in range(3)]
    until_subscribed(client, others)
    writer.store([record(slow.task_id, "PROGRESS")])
    assert begun.wait(20)
    writer.store([record(other.task_id, result="other") for other in others])
    assert [other.result() for other in others] == ["other"] * 3
    writer.store([record(slow.task_id, result="slow")])
    leave.set()
    assert slow.result() == "slow"


def test_two_threads_wait_for_one_task(make, client):
    store, writer = make(), make()
    first = Waiter(store)
    second = Waiter(store, task_id=first.task_id)
    brief = Waiter(store, timeout=0, task_id=first.task_id)
    assert isinstance(brief.result(), errors.TimeoutError)
    until_subscribed(client, [first])  # still
    writer.store([record(first.task_id, result=1)])
    assert [first.result(), second.result()] == [1, 1]
    assert store.wait(first.task_id, 0).result == 1


def test_each_has_its_own_time(make, client):
    store, writer = make(), make()
    long = Waiter(store)
    until_subscribed(client, [long])
    brief = [Waiter(store, timeout=0.1 * number) for number in range(1, 6)]
    assert all(isinstance(each.result(), errors.TimeoutError) for each in brief)
    assert long.is_alive()
    until_subscribed(client, [long])
    writer.store([record(long.task_id, result=1)])
    assert long.result() == 1


def test_a_reader_whose_time_is_up_lets_another_one_read(make, client):
    store, writer = make(), make()
    reader = Waiter(store, timeout=0.5)
    until_subscribed(client, [reader])
    other = Waiter(store)
    assert isinstance(reader.result(), errors.TimeoutError)
    writer.store([record(other.task_id, result=1)])
    assert other.result() == 1


def test_an_interrupted_reader_lets_another_one_read(make, client, monkeypatch):
    store, writer = make(), make()
    genuine, interrupt = watch.wait_ready, threading.Event()

    def wait_ready(*arguments, **options):
        if interrupt.is_set() and threading.current_thread() is reader:
            raise KeyboardInterrupt
        return genuine(*arguments, **options)

    monkeypatch.setattr(watch, "wait_ready", wait_ready)
    reader = Waiter(store)
    until_subscribed(client, [reader])
    other = Waiter(store)
    until_subscribed(client, [other])
    interrupt.set()
    writer.store([record(other.task_id, "PROGRESS")])
    assert isinstance(reader.result(), KeyboardInterrupt)
    writer.store([record(other.task_id, result=1)])
    assert other.result() == 1


def test_a_refused_channel_is_one_waiters_error(make, client, private):
    client.execute_command("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "resetchannels", "&*good*", "+@all")
    try:
        url = private.url().replace("//", "//narrow:secret@")
        store, writer = make(url), make()
        good, bad = [f"good-{number}" for number in range(3)], [f"bad-{number}" for number in range(3)]
        waiters = {task_id: Waiter(store, task_id=task_id) for pair in zip(good, bad, strict=True) for task_id in pair}
        assert all(isinstance(waiters[task_id].result(), AccessRefused) for task_id in bad)
        until_subscribed(client, [waiters[task_id] for task_id in good])
        writer.store([record(task_id, result=task_id) for task_id in good])
        assert [waiters[task_id].result() for task_id in good] == good
    finally:
        client.execute_command("ACL", "DELUSER", "narrow")


def test_all_waits_outlive_their_connection(make, client):
    store, writer = make(), make()
    waiters = [Waiter(store) for _ in range(20)]
    until_subscribed(client, waiters)
    for _ in range(3):
        client.client_kill_filter(skipme=True, _type="pubsub")
        until_subscribed(client, waiters)
    writer.store([record(waiter.task_id, result=1) for waiter in waiters])
    assert [waiter.result() for waiter in waiters] == [1] * 20


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_while_threads_wait(make, client):
    store, writer = make(), make()
    waiters = [Waiter(store) for _ in range(5)]
    until_subscribed(client, waiters)
    own = new()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if store.wait(own, 20).result == "child" else 2
        finally:
            os._exit(code)
    eventually(lambda: client.pubsub_numsub(store._key(own))[0][1], what="the child waits")
    writer.store([record(own, result="child")])
    assert os.waitpid(child, 0)[1] == 0
    until_subscribed(client, waiters)
    writer.store([record(waiter.task_id, result=1) for waiter in waiters])
    assert [waiter.result() for waiter in waiters] == [1] * 5


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_callback_that_forks(make, client):
    store, writer = make(), make()
    task_id, parent, children = new(), os.getpid(), []
    writer.store([record(task_id, "PROGRESS")])

    def on_record(_record):
        if not children:
            children.append(os.fork())
            if os.getpid() == parent:
                eventually(lambda: client.pubsub_numsub(store._key(task_id))[0][1] == 2, what="both wait")
                writer.store([record(task_id, result=1)])

    code = 1
    try:
        code = 0 if store.wait(task_id, 20, on_record).result == 1 else 2
    finally:
        if os.getpid() != parent:
            os._exit(code)
    assert os.waitpid(children[0], 0)[1] == 0


@pytest.fixture
def nothing_is_collected():
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()  # what is said then is said of this test


async def time_out(store):
    with pytest.raises(errors.TimeoutError):
        await store.wait_async(new(), 0.01)


async def leave_waiting(store):
    waiting = asyncio.create_task(store.wait_async(new(), 20))
    waiting._log_destroy_pending = False  # it is the program's own, which would be told of it
    loop = asyncio.get_running_loop()
    while not (loop in store._loops and store._loops[loop]._connection):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("nothing_is_collected")
@pytest.mark.parametrize("use", [time_out, leave_waiting])
def test_loops_that_are_closed_without_cancelling_leave_one_connection_at_most(make, client, use):
    store = make()
    store.fetch([new()])
    before, descriptors = len(connections(client)), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use(store))
        loop.close()
    assert len(list(Path("/proc/self/fd").iterdir())) - descriptors <= 1
    eventually(lambda: len(connections(client)) - before <= 1, what="the connections of closed loops are gone")
    store.close()
    eventually(lambda: len(connections(client)) <= before, what="the last one is gone, too")
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
