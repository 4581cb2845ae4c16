"""The tasks by which the table of pools is tested, and an app that no module has a name for."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path

from umbel import Umbel, current_task
from umbel.errors import SoftTimeLimitExceeded

_kept = []


def whoami():
    return os.getpid()


def steps(seconds, beginning):
    """Many short calls: what can be interrupted can be so here."""
    Path(beginning).touch()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(0.005)
    except SoftTimeLimitExceeded:
        return "soft"
    return "whole"


def one_call(seconds, beginning):
    """A single call that a library written in C might make."""
    Path(beginning).touch()
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "soft"
    return "whole"


def spins(seconds, beginning):
    """Computes, and calls nothing that could let others run."""
    Path(beginning).touch()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            pass
    except SoftTimeLimitExceeded:
        return "soft"
    return "whole"


async def blocks(seconds, beginning):
    """A coroutine that does not await, so that no other on its loop runs."""
    return one_call(seconds, beginning)


def _never_return():
    """Call something in C that no signal interrupts."""
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.pthread_mutex_init(mutex, None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


def stuck(beginning):
    Path(beginning).touch()
    _never_return()


async def stuck_on_loop(beginning):
    Path(beginning).touch()
    _never_return()


def stubborn(beginning):
    """Nothing that is raised ends it."""
    Path(beginning).touch()
    while True:
        try:
            while True:
                time.sleep(0.005)
        except BaseException:
            pass


async def waits(seconds, beginning):
    Path(beginning).touch()
    try:
        await asyncio.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "soft"
    return "whole"


async def meets(number, folder):
    """Ends when so many of them run at once; returns what it is, as seen by itself and by what it starts."""

    async def inner():
        await asyncio.sleep(0)
        return current_task.request.id

    (Path(folder) / current_task.request.id).touch()
    while len(list(Path(folder).iterdir())) < number:
        await asyncio.sleep(0.005)
    beside = asyncio.create_task(inner())
    return [current_task.request.id, await beside, await asyncio.to_thread(lambda: current_task.request.id)]


def wait_for(gate, runs):
    """Until there is a file of this name; each run leaves a file."""
    (Path(runs) / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    while not Path(gate).exists():
        time.sleep(0.005)
    return os.getpid()


def keep(megabytes):
    _kept.append(bytearray(os.urandom(1024)) * (megabytes * 1024))
    return os.getpid()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def make_app(url):
    app = Umbel("cells", broker=url, backend=url, set_as_current=False, task_max_deliveries=2)
    for function in (whoami, steps, one_call, spins, blocks, stuck, stuck_on_loop, stubborn, waits, meets, wait_for, keep, die):
        app.task(name=f"cells.{function.__name__}")(function)
    return app
