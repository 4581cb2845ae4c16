"""Open pages are told what changes."""

from __future__ import annotations

import asyncio
import threading

from umbel.dashboard.live.changes import Changes


def test_threads_tell_pages_and_what_comes_together_is_told_together():
    async def main():
        changes = Changes()
        stream = changes.listen(pace=0.0, silence=30.0)
        first = asyncio.ensure_future(anext(stream))
        while not len(changes):
            await asyncio.sleep(0)
        thread = threading.Thread(target=changes.tell, args=("tasks", "queues"))
        thread.start()
        assert await first == {"tasks", "queues"}
        thread.join()
        changes.tell("a")
        changes.tell("b")
        assert await anext(stream) == {"a", "b"}
        changes.close()
        assert [each async for each in stream] == []
        assert len(changes) == 0

    asyncio.run(main())


def test_silence_is_told_too():
    async def main():
        stream = Changes().listen(pace=0.0, silence=0.01)
        assert await anext(stream) == set()
        await stream.aclose()

    asyncio.run(main())


def test_a_page_whose_loop_is_gone_harms_nobody():
    changes = Changes()

    async def main():
        stream = changes.listen(silence=0.001)
        await anext(stream)
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(main())
    loop.run_until_complete(stream.aclose())
    loop.close()
    changes.tell("tasks")
