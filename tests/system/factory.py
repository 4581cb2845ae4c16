"""An app that no module has a name for, and its tasks."""

from __future__ import annotations

import os
import time
from pathlib import Path

from umbel import Umbel


def whoami():
    return os.getpid()


def wait_for(gate):
    """Wait until somebody opens this named pipe."""
    Path(gate).read_bytes()
    return os.getpid()


def nap(seconds):
    time.sleep(seconds)
    return os.getpid()


def make_app(url):
    app = Umbel("factory", broker=url, backend=url, set_as_current=False)
    app.task(name="factory.whoami")(whoami)
    app.task(name="factory.wait_for")(wait_for)
    app.task(name="factory.nap")(nap)
    return app
