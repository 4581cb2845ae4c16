"""The parent's side of a child process."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time

import pytest

from umbel.pools.base import ChildOptions
from umbel.pools.child_process import ChildProcess, cause
from umbel.pools.recipe import AppRecipe
from unit.pools.endings import hang, leave, live_on_unheard

SPAWN = multiprocessing.get_context("spawn")


class Context:
    """Processes that do something else than a child does."""

    Lock = SPAWN.Lock

    def __init__(self, target):
        self.target = target

    def Process(self, **options):
        return SPAWN.Process(**{**options, "target": self.target})


class Listener:
    def __init__(self):
        self.death = asyncio.get_running_loop().create_future()

    def on_death(self, child, cause):
        self.death.set_result(cause)


@pytest.mark.parametrize(("target", "told"), [(live_on_unheard, "signal 9 (SIGKILL)"), (leave, "exit code 3")])
def test_a_death_is_told_without_blocking_the_loop(target, told):
    async def story():
        listener = Listener()
        options = ChildOptions(recipe=AppRecipe(), hostname="w", path=(), changes={}, initializer=None, index=1)
        child = ChildProcess(Context(target), options, listener)
        lag, before = 0.0, time.monotonic()
        while not listener.death.done():
            await asyncio.wait([listener.death], timeout=0.01)
            now = time.monotonic()
            lag, before = max(lag, now - before), now
        child.close()
        return lag, listener.death.result()

    lag, death = asyncio.run(asyncio.wait_for(story(), 30))
    assert death == told
    assert lag < 1.0


def test_one_that_does_not_come_up_is_killed():
    async def story():
        listener = Listener()
        options = ChildOptions(recipe=AppRecipe(), hostname="w", path=(), changes={}, initializer=None, index=1)
        child = ChildProcess(Context(hang), options, listener, start_timeout=0.2)
        death = await listener.death
        child.close()
        return death

    assert asyncio.run(asyncio.wait_for(story(), 30)) == "it was not ready within 0.2 s (worker_proc_alive_timeout)"


@pytest.mark.parametrize(
    ("exitcode", "words"),
    [(None, "ended"), (0, "exit code 0"), (-signal.SIGSEGV, "signal 11 (SIGSEGV)"), (-250, "signal 250")],
)
def test_exit_codes_in_words(exitcode, words):
    assert cause(exitcode) == words
