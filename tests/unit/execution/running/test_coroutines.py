import asyncio
import os
import signal
import threading
import time

import pytest

from umbel.errors import SoftTimeLimitExceeded, TaskError
from umbel.execution.running.coroutines import TaskLoop, interrupt


@pytest.fixture
def loop():
    loop = TaskLoop()
    yield loop
    loop.close()


@pytest.fixture
def limit():
    """Send the soft-limit signal to this thread after so many seconds, handled as a child handles it."""

    def handle(_number, frame):
        if not interrupt(frame, SoftTimeLimitExceeded()):
            raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGUSR1, handle)
    timers = []

    def after(seconds):
        timers.append(threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGUSR1]))
        timers[-1].start()

    yield after
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGUSR1, before)


def test_the_loop_lives_on_between_tasks(loop):
    async def which():
        return asyncio.get_running_loop()

    assert loop.run(which()) is loop
    assert loop.run(which()) is loop


def test_errors_of_the_coroutine_are_raised(loop):
    async def fail():
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.run(fail())


def test_a_waiting_coroutine_is_interrupted_where_it_waits(loop, limit):
    cleaned = []

    async def wait():
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append(True)

    limit(0.05)
    started = time.monotonic()
    with pytest.raises(SoftTimeLimitExceeded):
        loop.run(wait())
    assert time.monotonic() - started < 5
    assert cleaned == [True]


def test_it_may_catch_the_interruption_and_go_on_waiting(loop, limit):
    async def stubborn():
        try:
            await asyncio.sleep(30)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0.01)
            return "tidied up"

    limit(0.05)
    assert loop.run(stubborn()) == "tidied up"


def test_a_busy_coroutine_is_interrupted_too(loop, limit):
    async def spin():
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pass

    limit(0.05)
    with pytest.raises(SoftTimeLimitExceeded):
        loop.run(spin())


def test_one_interruption_does_not_reach_the_next_task(loop, limit):
    async def wait():
        await asyncio.sleep(30)

    async def short():
        await asyncio.sleep(0.01)
        return 1

    limit(0.05)
    with pytest.raises(SoftTimeLimitExceeded):
        loop.run(wait())
    assert loop.run(short()) == 1


def test_a_cancelled_coroutine_fails(loop):
    async def wait():
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        await asyncio.sleep(30)

    with pytest.raises(TaskError, match="cancelled"):
        loop.run(wait())


def test_nothing_to_interrupt_outside_a_loop():
    assert not interrupt(None, SoftTimeLimitExceeded())
