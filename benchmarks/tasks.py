"""The app of all benchmarks: ``-A tasks``. ``BENCH_LIBRARY=celery`` makes it one of real Celery, for comparison."""

from __future__ import annotations

import asyncio
import os
import socket
import time

from counting import tick, waited

if os.environ.get("BENCH_LIBRARY") == "celery":
    from celery import Celery as App
else:
    from umbel import Umbel as App

BACKEND = os.environ.get("BACKEND") or None
app = App("benchmarks", broker=os.environ["BROKER"], backend=BACKEND)
app.conf.update(task_ignore_result=not BACKEND, task_default_queue=os.environ.get("BENCH_QUEUE", "umbel-benchmarks"))
app.conf.control_exchange = app.conf.task_default_queue  # other workers at this broker are not asked
if os.environ.get("BENCH_LIBRARY") == "celery":
    app.conf.update(worker_prefetch_multiplier=100, broker_connection_retry_on_startup=True)


@app.task(name="noop")
def noop(x=None):
    tick()
    return x


@app.task(name="nap")
def nap(seconds):
    time.sleep(seconds)
    tick()


@app.task(name="coroutine_noop")
async def coroutine_noop(x=None):
    tick()
    return x


@app.task(name="coroutine_nap")
async def coroutine_nap(seconds):
    await asyncio.sleep(seconds)
    tick()


@app.task(name="ask")
def ask(port):
    """Ask a server that takes its time."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"?")
        line.recv(1)
    tick()


@app.task(name="nap_long")
def nap_long(_=None):
    time.sleep(20)


@app.task(name="timed")
def timed(published, seconds):
    """Note how long the call waited, then take a while."""
    waited(time.time() - published)
    time.sleep(seconds)
    tick()


@app.task(name="started")
def started(published):
    """Seconds from the call to here."""
    tick()
    return time.time() - published
