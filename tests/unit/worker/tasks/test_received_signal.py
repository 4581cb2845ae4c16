"""Receivers of ``task_received`` are told, from the moment at which the first of them is connected."""

import asyncio
from functools import partial

import pytest

from umbel import hooks
from umbel.runtime.signal_thread import SignalThread
from umbel.testing.coroutines import on_loop
from umbel.wire.serializers import dumps
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.received_signal import ReceivedRequest, ReceivedSignal
from unit.worker.stand_ins import delivery, entry

request_of = partial(ReceivedRequest, hostname="w@h", accept=frozenset({"application/json"}), limit=1000)


@pytest.fixture(autouse=True)
def _disconnected():
    before = hooks.task_received.receivers
    yield
    hooks.task_received.receivers = before


@on_loop
async def test_whoever_listens_is_told():
    events, told, chores = TaskEvents(), [], []
    service = ReceivedSignal(events, SignalThread(), lambda chore: chores.append(asyncio.ensure_future(chore)), request_of, "the worker")
    await service.start()
    assert events.received.tell is None, "it costs nothing while nobody listens"
    hooks.task_received.connect(lambda sender, request, **_: told.append((sender, request.id, request.hostname)), weak=False)
    hooks.task_received.connect(lambda **_: None, weak=False)
    events.received(entry("1"))
    await asyncio.gather(*chores)
    assert told == [("the worker", "1", "w@h")]
    await service.stop()
    events.received(entry("2"))
    assert len(chores) == 1


@on_loop
async def test_one_that_was_connected_before():
    hooks.task_received.connect(lambda **_: None, weak=False)
    events = TaskEvents()
    service = ReceivedSignal(events, SignalThread(), lambda chore: chore.close(), request_of, None)
    await service.start()
    assert events.received.tell is not None
    await service.stop()


def test_the_request():
    found = delivery("1", replaced_task_nesting=2, stamps={"a": 1})
    found.content_type, found.content_encoding, found.body = dumps([[1, 2], {"z": 3}, {}])
    request = request_of(found)
    assert (request.id, request.task_id, request.name, request.task) == ("1", "1", "t", "t")
    assert (request.args, request.kwargs, request.replaced_task_nesting, request.stamps) == ([1, 2], {"z": 3}, 2, {"a": 1})
    following = {"callbacks": [{"task": "c"}], "errbacks": [{"task": "e"}], "chain": None, "chord": None}
    _, _, found.body = dumps([[1], {}, following])
    request = request_of(found)
    assert (request.callbacks, request.errbacks, request.chain, request.chord) == ([{"task": "c"}], [{"task": "e"}], None, None)
    assert getattr(request, "_Request__payload") == ([1], {}, following)
    found.body = b"no JSON"
    assert (request_of(found).args, request_of(found).kwargs) == ((), {})
    with pytest.raises(AttributeError, match="nonsense"):
        _ = request.nonsense
