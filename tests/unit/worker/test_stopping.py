"""How a worker is asked to stop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from umbel.worker.stopping import StopRequest


def test_the_first_request_is_warm_and_the_second_cold():
    stop = StopRequest()
    assert (stop.is_requested, stop.is_cold) == (False, False)
    stop.request()
    assert (stop.is_requested, stop.is_cold) == (True, False)
    stop.request()
    assert stop.is_cold


def test_a_request_may_be_cold_at_once():
    stop = StopRequest()
    stop.request(warm=False)
    assert stop.is_cold


def test_a_request_before_anybody_listens_is_kept():
    async def story():
        stop = StopRequest()
        stop.request()
        stop.listen()
        await asyncio.wait_for(stop.wait(), 5)

    asyncio.run(story())


def test_a_request_from_another_thread_wakes_the_loop():
    async def story():
        stop = StopRequest()
        stop.listen()
        threading.Timer(0.01, stop.request).start()
        await asyncio.wait_for(stop.wait(), 5)

    asyncio.run(story())


def test_a_request_after_the_loop_has_closed_hurts_nobody():
    stop = StopRequest()

    async def story():
        stop.listen()

    asyncio.run(story())
    stop.request()
    assert stop.is_requested


@pytest.mark.parametrize("requested", [False, True])
def test_work_ends_or_is_cancelled_by_a_request(requested):
    async def story():
        stop = StopRequest()
        stop.listen()
        if requested:
            stop.request()
        cancelled = []

        async def work():
            try:
                if requested:
                    await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        assert await stop.unless_requested(asyncio.ensure_future(work())) is not requested
        assert cancelled == [True] * requested

    asyncio.run(story())


def test_what_the_work_raises_is_raised():
    async def work():
        raise OSError("no")

    async def story():
        with pytest.raises(OSError, match="no"):
            await StopRequest().unless_requested(asyncio.ensure_future(work()))

    asyncio.run(story())
