"""Coroutines publish: while the broker takes nothing the loop goes on; what the broker refuses fails its own call alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
import redis

from chaos import event_loops
from umbel import Umbel
from umbel.brokers.topology import Queue
from umbel.errors import OperationalError
from umbel.wire.amqp import events

from .broken_line import Line

brokers = pytest.mark.parametrize("broker", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("rabbitmq", "redis")])


@pytest.fixture
def url(request, broker):
    return request.getfixturevalue(f"{broker}_url")


@pytest.fixture
def line(url):
    with Line.to(url) as made:
        yield made


@pytest.fixture
def make(unique, url, line):
    """Apps that send to one queue, which is deleted afterwards. They are closed before the line is."""
    queue = unique("loop")
    with contextlib.ExitStack() as apps:

        def made(through: str, **settings) -> Umbel:
            app = Umbel("loop", broker=through, broker_publish_timeout=2.0, task_default_queue=queue, set_as_current=False, **settings)
            app.task(name="loop.job")(print)
            return apps.enter_context(app)

        yield made
    with Umbel("loop", broker=url, set_as_current=False) as app:
        client = app.broker.queue_client()
        client.delete(queue)
        client.close()


@contextlib.contextmanager
def alarm(app, _line):
    """An alarm would stop every publisher of this server, so its notice is put in by hand."""
    app.publisher._pipe._on_event(events.Blocked("low on memory"))
    yield
    app.publisher._pipe._on_event(events.Unblocked())


async def stand(app, situation, args=(), calls=20):
    """Publish from a loop in a situation in which nothing can be published, and once more afterwards."""
    job = app.tasks["loop.job"]
    await asyncio.gather(*[job.adelay() for _ in range(3)])
    await asyncio.to_thread(situation.__enter__)
    try:
        sent = [asyncio.create_task(job.adelay(*args)) for _ in range(calls)]
        await asyncio.to_thread(int)  # the loop turns, and its own threads are free
        assert not any(task.done() for task in sent)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await job.adelay(*args)
        for task in sent:
            task.cancel()
        await asyncio.gather(*sent, return_exceptions=True)
    finally:
        await asyncio.to_thread(situation.__exit__, None, None, None)
    async with asyncio.timeout(30):
        await job.adelay()


@brokers
@pytest.mark.parametrize("situation", [event_loops.silent, event_loops.frozen, event_loops.locked])
def test_the_loop_goes_on_while_the_broker_takes_nothing(make, line, situation):
    app = make(line.url)
    asyncio.run(stand(app, situation(app, line)))


@brokers
def test_the_loop_goes_on_while_a_large_message_is_half_written(make, line):
    app = make(line.url)
    asyncio.run(stand(app, event_loops.frozen(app, line), (event_loops.LARGE,), calls=1))


@pytest.mark.rabbitmq
@pytest.mark.parametrize("broker", ["rabbitmq"])
def test_the_loop_goes_on_in_an_alarm(make, url):
    app = make(url)
    asyncio.run(stand(app, alarm(app, None)))


@brokers
def test_one_refused_message_fails_no_other_call(make, url, broker, unique):
    """49 of 50 concurrent calls are right; the one to a bad address raises, and the next call is sent."""
    bad = unique("bad")
    app = make(url, task_queues=[Queue(bad, no_declare=True)], task_create_missing_queues=True)
    job = app.tasks["loop.job"]

    async def publish():
        await job.adelay()
        calls = [job.aapply_async(**({"queue": bad} if number == 25 else {})) for number in range(50)]
        return await asyncio.gather(*calls, return_exceptions=True)

    with contextlib.ExitStack() as stack:
        if broker == "redis":
            client = stack.enter_context(redis.Redis.from_url(url))
            client.set(bad, "not a list")
            stack.callback(client.delete, bad)
        answers = asyncio.run(publish())
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert [type(answer) for answer in refused] == [type(answers[25])]
        assert isinstance(answers[25], OperationalError)
        job.delay()
        app.publisher.flush()
    counter = app.broker.queue_client()
    assert counter.length(app.conf.task_default_queue) == 1 + 49 + 1
    counter.close()


@brokers
def test_a_call_that_was_given_up_opens_no_connection_after_the_app_was_closed(make, line):
    app = make(line.url)
    job = app.tasks["loop.job"]

    async def give_up():
        await job.adelay()
        with event_loops.locked(app, line):
            sent = asyncio.create_task(job.adelay())
            await asyncio.to_thread(int)
            sent.cancel()
            await asyncio.gather(sent, return_exceptions=True)

    asyncio.run(give_up())
    app.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("umbel-publish")]
