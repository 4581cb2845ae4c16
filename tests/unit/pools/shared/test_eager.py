"""Tasks that begin at once."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from umbel.pools.shared.eager import EagerLoop

name = contextvars.ContextVar("name", default="nobody")


@pytest.fixture
def play():
    """Plays a function in a callback of a loop."""
    loop = EagerLoop()

    def run(function):
        async def main():
            done = loop.create_future()

            def call():
                try:
                    done.set_result(function(loop))
                except BaseException as error:
                    done.set_exception(error)

            loop.call_soon(call)
            return await (await done)

        return loop.run_until_complete(asyncio.wait_for(main(), 20))

    yield run
    loop.close()


async def steps(told, waits):
    told.append(asyncio.current_task().get_name())
    name.set("somebody")
    if waits:
        async with asyncio.timeout(20):
            await asyncio.sleep(0)
    told.append(name.get())
    return 7


@pytest.mark.parametrize("waits", [False, True])
def test_a_task_has_taken_its_first_step_when_it_is_made(play, waits):
    told = []

    def begin(loop):
        task = loop.begin(steps(told, waits), "one", contextvars.copy_context())
        assert told == (["one"] if waits else ["one", "somebody"])
        assert task.done() is not waits
        assert name.get() == "nobody"
        loop.call_soon(told.append, "turn")  # scheduling is as ever
        return task

    assert play(begin) == 7
    assert sorted(told) == ["one", "somebody", "turn"]


def test_an_error_of_the_first_step_is_the_tasks(play):
    async def fail():
        raise KeyError("k")

    with pytest.raises(KeyError):
        play(lambda loop: loop.begin(fail(), "one", contextvars.copy_context()))


def test_tasks_begin_one_after_the_other_in_contexts_of_their_own(play):
    told = []

    def begin(loop):
        tasks = [loop.begin(steps(told, waits=True), str(number), contextvars.copy_context()) for number in range(3)]
        return asyncio.gather(*tasks)

    assert play(begin) == [7, 7, 7]
    assert told == ["0", "1", "2", "somebody", "somebody", "somebody"]
