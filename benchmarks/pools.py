"""Pools: no-op tasks and tasks that wait, on one process each, and what a thousand of those that wait cost in memory.

The first figure of a pool is its rate of no-ops, beside `prefork` with one child. What follows is in the name: how many tasks, what each does.
"""

from __future__ import annotations

import importlib.util
import socketserver
import threading
import time
from contextlib import contextmanager

from staging import Setting, Worker

from umbel.pools.kinds import find_kind

#: Pool → its task that does nothing, its task that waits, and how many slots it is given.
POOLS = {"prefork": ("noop", "nap", 1), "threads": ("noop", "nap", 10), "asyncio": ("coroutine_noop", "coroutine_nap", 100), "gevent": ("noop", "nap", 100),
    "eventlet": ("noop", "nap", 100)}  # fmt: skip


class Slow(socketserver.BaseRequestHandler):
    """Answers a second after it was asked."""

    def handle(self) -> None:
        self.request.recv(1)
        time.sleep(1)
        self.request.sendall(b"!")


class Server(socketserver.ThreadingTCPServer):
    """Takes five hundred connections at a time."""

    request_queue_size, daemon_threads = 1000, True


@contextmanager
def slow_server():
    with Server(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def timed(setting: Setting, pool: str, slots: int, task: str, count: int, *arguments: object) -> tuple[float, float]:
    """Seconds from the first start, or end where they wait, to the last end of so many tasks; MB of memory at the end."""
    setting.reset()
    setting.client("publish_these", count, task, arguments)
    with Worker(setting, "-P", pool, concurrency=slots) as worker:
        _, first, last = worker.wait(count)
        return last - first, worker.memory()


def run(setting: Setting, count: int) -> dict:
    row = {}
    for pool, (noop, nap, slots) in POOLS.items():
        if find_kind(pool) is None or (pool in ("gevent", "eventlet") and importlib.util.find_spec(pool) is None):
            continue
        took, _ = timed(setting, pool, slots, noop, count)
        row[f"{pool} no-ops/s"] = round(count / took)
        if pool == "threads":
            row["threads 200 × 1 s"] = round(1 + timed(setting, pool, 200, nap, 200, 1.0)[0], 2)
        if pool == "asyncio":
            row["asyncio 20,000 × 50 ms /s"] = round(20_000 / timed(setting, pool, 1000, nap, 20_000, 0.05)[0])
            took, memory = timed(setting, pool, 1000, nap, 1000, 1.0)
            row |= {"asyncio 1,000 × 1 s": round(1 + took, 2), "MB": round(memory)}
        if pool in ("gevent", "eventlet"):
            with slow_server() as port:
                row[f"{pool} 500 sockets"] = round(1 + timed(setting, pool, 500, "ask", 500, port)[0], 2)
    return row
