"""Unique calls leave once, whichever way they are sent."""

from __future__ import annotations

import asyncio

import pytest

from umbel import current, group
from umbel.app.sending.keyed.claiming import CLAIMED, lease_of
from umbel.app.sending.keyed.unique import USUAL
from umbel.errors import DuplicateCall, ImproperlyConfigured, OperationalError
from umbel.execution.request import Request
from umbel.leases.base import Lease
from umbel.messages.task_keys import KEYS
from umbel.testing.fakes import FakeApp
from umbel.wire.message import Message


@pytest.fixture
def app():
    return FakeApp()


@pytest.fixture
def sync(app):
    @app.task(name="sync", unique_key="{0}")
    def sync(tenant):
        return tenant

    return sync


def holders(app, key, task="sync"):
    return app.leases.holders(f"unique:{task}:{key}")


def sent(app):
    return [message.headers["id"] for message, _ in app.fake.sent]


def test_the_second_caller_gets_the_first_ones_handle(app, sync):
    first, second, other = sync.delay(1), sync.delay(1), sync.delay(2)
    assert second.id == first.id != other.id
    assert second._task_name == "sync"
    assert sent(app) == [first.id, other.id]
    assert app.fake.confirmed == [True, True], "a key and its message agree"


def test_every_way_to_send(app, sync):
    first = sync.delay(1)
    ids = {
        sync.apply_async((1,)).id, sync.apply_async(kwargs={"tenant": 1}).id, app.send_task("sync", (1,)).id, sync.s(1).apply_async().id,
        asyncio.run(sync.adelay(1)).id, *(handle.id for handle in sync.delay_many([1, (1,)])), group(sync.s(1), sync.s(1))().results[0].id,
    }  # fmt: skip
    assert ids == {first.id}
    assert len(sent(app)) == 1


def test_the_message_carries_the_key_and_it_is_held_for_its_time_when_the_message_is_sent(app, sync):
    first = sync.apply_async((1,), countdown=100)
    assert app.fake.sent[0][0].headers[KEYS] == {"unique": "1", "until": "finish", "for": USUAL}
    (holder,) = holders(app, 1)
    assert holder.owner == first.id
    assert holder.seconds == pytest.approx(USUAL + 100, abs=5)


def test_a_sender_that_dies_after_the_claim_keeps_nobody_waiting_for_long(app, sync, monkeypatch):
    """It has the key for half a minute while it publishes."""
    seen = []
    monkeypatch.setattr(app.fake, "publish", lambda *_, **__: seen.extend(holders(app, 1)))
    sync.delay(1)
    assert seen[0].seconds <= CLAIMED


def test_what_could_not_be_sent_frees_its_key(app, sync):
    app.fake.error = OperationalError("the broker is away")
    with pytest.raises(OperationalError):
        sync.delay(1)
    with pytest.raises(OperationalError):
        sync.delay_many([1, 2])
    assert not holders(app, 1) + holders(app, 2)
    app.fake.error = None
    assert sync.delay(1).id == sync.delay(1).id


def test_many_calls_in_one_bulk(app, sync):
    handles = sync.delay_many([1, 2, 1, 1, 3])
    assert [handle.id for handle in handles] == [handles[0].id, handles[1].id, handles[0].id, handles[0].id, handles[4].id]
    assert sent(app) == [handles[0].id, handles[1].id, handles[4].id]


def test_a_groups_result_has_the_one_that_stands_for_a_member(app, sync):
    first = sync.delay(1)
    result = group(sync.s(1), sync.s(2))()
    assert [member.id for member in result.results] == [first.id, sent(app)[1]]


def test_what_something_waits_for_is_sent_whoever_has_the_key(app, sync):
    first = sync.delay(1)
    later = sync.apply_async((1,), link=sync.s())
    chained = (sync.s(1) | sync.s()).apply_async()
    assert later.id not in (first.id, chained.id)
    assert len(sent(app)) == 3
    assert [holder.owner for holder in holders(app, 1)] == [first.id]


def test_a_call_that_wants_to_know_is_told(app, sync):
    first = sync.delay(1)
    with pytest.raises(DuplicateCall, match="a call of sync with the same unique key waits or runs already") as caught:
        sync.apply_async((1,), unique_on_conflict="raise")
    assert caught.value.task_id == first.id
    with pytest.raises(DuplicateCall):
        sync.delay_many([5, 1], unique_on_conflict="raise")
    assert not holders(app, 5), "none of a batch has left"
    assert len(sent(app)) == 1


def test_a_newer_call_takes_over(app, sync):
    ids = [sync.apply_async((1,), unique_on_conflict="replace").id for _ in range(3)]
    assert len(set(ids)) == 3
    assert [holder.owner for holder in holders(app, 1)] == [ids[-1]]


def test_a_debounced_call_waits_for_its_time(app, sync):
    sync.apply_async((1,), unique_on_conflict="debounce", unique_for=5)
    message = app.fake.sent[0][0]
    assert message.headers["eta"] is not None
    assert message.headers[KEYS]["until"] == "newer"


def test_a_throttled_key_is_held_for_its_time_whatever_becomes_of_the_task(app, sync):
    first = sync.apply_async((1,), unique_on_conflict="throttle", unique_for=100)
    assert sync.apply_async((1,), unique_on_conflict="throttle", unique_for=100).id == first.id
    assert KEYS not in app.fake.sent[0][0].headers
    assert holders(app, 1)[0].seconds == pytest.approx(100, abs=5)


def test_a_call_may_be_unique_though_its_task_is_not_and_the_reverse(app, sync):
    @app.task(name="plain")
    def plain(x):
        return x

    assert plain.apply_async((1,), unique_key="k", unique_for=60).id == plain.apply_async((2,), unique_key="k").id
    assert plain.delay(1).id != plain.delay(1).id
    sync.delay(1)
    assert sync.apply_async((1,), unique_key=False).id != sync.delay(1).id
    assert KEYS not in app.fake.sent[-1][0].headers


def test_a_task_that_runs_remembers_the_one_that_stands_for_its_call(app, sync):
    first = sync.delay(1)
    request = Request(sync, "parent", (), {}, {}, None, {})
    token = current.request.set(request)
    try:
        sync.delay(1)
        group(sync.s(1), sync.s(1))()
    finally:
        current.request.reset(token)
    assert request.children[0] == [[first.id, None], None]
    assert [member[0][0] for member in request.children[1][1]] == [first.id, first.id]


def test_nobody_sees_what_is_not_sent(app, sync):
    app.conf.task_store_queued = True
    first = sync.delay(1)
    sync.delay(1)
    assert [record.task_id for record in app.records.records] == [first.id]


def test_where_there_is_no_lease_store_that_is_said():
    app = FakeApp(broker="amqp://guest@h//", backend="rpc://")
    app.connections.use(app.fake, None)

    @app.task(name="t", unique_key="{0}")
    def run(a):
        """Never."""

    with pytest.raises(ImproperlyConfigured, match="set lease_store"):
        run.delay(1)
    assert not app.fake.sent


def test_protocol_1_cannot_say_it(app, sync):
    app.conf.task_protocol = 1
    with pytest.raises(ImproperlyConfigured, match="set task_protocol to 2"):
        sync.delay(1)


@pytest.mark.parametrize("name", [KEYS, "x-umbel-chord-claim"])
def test_nobody_gives_a_call_a_header_of_ours(app, sync, name):
    with pytest.raises(ValueError, match=f"the header {name} is Umbel's own"):
        sync.apply_async((1,), headers={name: {"unique": "another's"}})
    app.prepare("sync", (1,), {}, {"headers": {name: "from a signature in a message", "mine": 1}})


def test_an_event_loop_does_not_wait_for_the_lease_store(app, sync, monkeypatch):
    import threading

    threads, acquire = [], app.leases.acquire
    monkeypatch.setattr(app.leases, "acquire", lambda leases: threads.append(threading.current_thread()) or acquire(leases))

    async def send():
        await sync.adelay(1)
        return (await sync.adelay(1)).id, (await sync.adelay(2)).id

    one, two = asyncio.run(send())
    assert one != two
    assert threading.main_thread() not in threads


NOW = 1_893_456_000.0


@pytest.mark.parametrize(
    ("until", "retries", "expected"),
    [
        ("finish", 0, Lease("unique:sync:k", "i", 60.0)), ("finish", 2, Lease("unique:sync:k", "i", 60.0)), ("start", 0, Lease("unique:sync:k", "i", 60.0)),
        ("start", 1, None), ("newer", 0, Lease("unique:sync:k", "i", 60.0, takes_over=True)), ("newer", 1, None),
    ],
)  # fmt: skip
def test_the_lease_of_what_follows_a_task(until, retries, expected):
    message = Message(b"", {"task": "sync", "id": "i", "retries": retries, KEYS: {"unique": "k", "until": until, "for": 60.0}})
    assert lease_of(message, NOW) == expected


def test_the_lease_of_what_begins_later_and_of_what_has_no_key():
    keys = {"unique": "k", "until": "finish", "for": 60.0}
    later = Message(b"", {"task": "sync", "id": "i", "eta": "2030-01-01T00:01:40+00:00", KEYS: keys})
    assert lease_of(later, NOW).seconds == pytest.approx(160.0)
    assert lease_of(Message(b"", {"task": "sync", "id": "i"}), NOW) is None
