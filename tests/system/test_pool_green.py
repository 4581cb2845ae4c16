"""Many sockets at once in the greenlets of one process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import pytest

from system.conftest import ONE_BROKER

pytestmark = ONE_BROKER
MANY = 500


@contextmanager
def server_that_answers_all_at_once(count):
    """Answers when so many have asked, and are still there; yields its port."""
    loop = asyncio.new_event_loop()

    async def serve(port):
        asked, is_over = 0, asyncio.Event()

        async def answer(reader, writer):
            nonlocal asked
            await reader.readexactly(1)
            asked += 1
            if asked == count:
                is_over.set()
            await is_over.wait()
            writer.write(b"!")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=count)
        port.set_result(server.sockets[0].getsockname()[1])
        async with server:
            await asyncio.Future()

    port = loop.create_future()
    serving = loop.create_task(serve(port))
    number = loop.run_until_complete(port)
    thread = threading.Thread(target=loop.run_until_complete, args=(asyncio.wait([serving]),))
    thread.start()
    try:
        yield number
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(20)
        loop.close()


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_five_hundred_tasks_wait_for_their_sockets_at_once(stage, pool):
    worker = stage.worker("-P", pool, "-c", str(MANY))
    with server_that_answers_all_at_once(MANY) as port:
        results = [stage.send("ask", port) for _ in range(MANY)]
        assert {result.get(timeout=30) for result in results} == {"!"}
    assert worker.stop() == 0
    assert stage.length() == 0
