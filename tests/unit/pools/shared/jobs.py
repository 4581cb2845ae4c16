"""Tasks for children that run several jobs at once, and an app that keeps no results."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from umbel import Umbel

app = Umbel("jobs", broker="memory://", set_as_current=False)


@app.task(name="mark")
def mark():
    """Nothing is done."""


@app.task(name="die")
def die():
    os._exit(9)


@app.task(name="wait")
def wait(gate):
    """Until there is a file of this name; can be interrupted."""
    while not Path(gate).exists():
        time.sleep(0.005)


@app.task(name="await")
async def await_(gate):
    while not Path(gate).exists():
        await asyncio.sleep(0.005)


@app.task(name="stubborn")
def stubborn():
    while True:
        try:
            while True:
                time.sleep(0.005)
        except BaseException:
            pass


@app.task(name="leave")
def leave():
    raise SystemExit(3)
