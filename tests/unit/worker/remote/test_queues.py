from __future__ import annotations

import asyncio

import pytest

from umbel import Binding, Exchange, Queue
from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import FacadeBench


@on_loop
async def test_queues_are_added_once_and_cancelled():
    bench = FacadeBench(task_queues=[Queue("celery"), Queue("mine", Exchange("e", "topic"), "a.#")])
    arguments = {"exchange": None, "exchange_type": "direct", "routing_key": None}
    for _ in range(2):
        assert await bench.ask("add_consumer", queue="extra", **arguments) == {"ok": "add consumer extra"}
    assert await bench.ask("add_consumer", queue="mine", **arguments) == {"ok": "add consumer mine"}
    assert [queue.name for queue in bench.consumer.queues] == ["celery", "extra", "mine"]
    extra, mine = bench.consumer.queues[1:]
    assert (extra.exchange.name, extra.exchange.type, extra.routing_key) == ("extra", "direct", "extra")
    assert (mine.exchange.type, mine.routing_key) == ("topic", "a.#"), "the app's own queue of this name"
    for name in ("extra", "nope"):
        assert await bench.ask("cancel_consumer", queue=name) == {"ok": f"no longer consuming from {name}"}
    assert [queue.name for queue in bench.consumer.queues] == ["celery", "mine"]


@on_loop
async def test_a_queue_is_made_as_it_is_asked_for():
    bench = FacadeBench()
    await bench.ask(
        "add_consumer",
        queue="q",
        exchange="e",
        exchange_type="topic",
        routing_key="k.*",
        durable=False,
        queue_arguments={"x-max-priority": 5},
    )
    (_, made) = bench.consumer.queues
    assert (made.exchange, made.routing_key, made.durable, made.arguments) == (Exchange("e", "topic"), "k.*", False, {"x-max-priority": 5})
    assert (await bench.ask("active_queues"))[1]["max_priority"] == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"queue": 3},
        {"queue": ""},
        {"queue": "a\x00b"},
        {"queue": "q", "exchange": 1},
        {"queue": "q", "exchange_type": "x-delayed"},
        {"queue": "q", "routing_key": []},
        {"queue": "q", "exchange": "e", "queue_arguments": [1]},
        {},
    ],
)
@on_loop
async def test_what_is_no_queue_is_refused(arguments):
    bench = FacadeBench()
    assert "error" in await bench.ask("add_consumer", **arguments)
    assert [queue.name for queue in bench.consumer.queues] == ["celery"]


@on_loop
async def test_a_worker_has_so_many_queues():
    bench = FacadeBench()
    bench.consumer.queues = [Queue(f"q{number}") for number in range(1000)]
    assert "1,000 queues at most" in (await bench.ask("add_consumer", queue="one more"))["error"]


@on_loop
async def test_changes_are_made_in_the_order_in_which_they_are_asked_for():
    bench = FacadeBench()
    gate = asyncio.Event()
    add = bench.consumer.add_queue

    async def slow(queue):
        await gate.wait()
        await add(queue)

    bench.consumer.add_queue = slow
    asked = [asyncio.ensure_future(bench.ask(name, queue="q")) for name in ("add_consumer", "cancel_consumer")]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*asked)
    assert [queue.name for queue in bench.consumer.queues] == ["celery"]


@on_loop
async def test_queues_are_shown_in_celerys_fields():
    bench = FacadeBench()
    bench.consumer.queues = [Queue("a", Exchange("e"), "k", bindings=(Binding(Exchange("f"), "k2"),), consumer_arguments={"x": 1})]
    (shown,) = await bench.ask("active_queues")
    assert (shown["name"], shown["exchange"]["name"], shown["routing_key"]) == ("a", "e", "k")
    assert shown["bindings"] == [{"exchange": "f", "routing_key": "k2", "arguments": None}]
    assert shown["consumer_arguments"] == {"x": 1}
