"""``umbel demo --dashboard``: a small fleet that is busy, and the dashboard in front of it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from umbel.cli.options import Misuse
from umbel.cli.output import Output

_APP = "umbel.cli.demo.shop"
_PORT = 5555
#: Seconds between two moments in the shop, on average.
_PACE = 0.18


def run(folder: Path, concurrency: int, output: Output) -> int:
    """Keep the fleet busy until Ctrl-C; returns the exit code.

    Args:
        folder: for the database and logs.
        concurrency: child processes of the worker.
        output: of the command line.

    Raises:
        Misuse: the dashboard's libraries are not installed.
    """
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("uvicorn") is None:
        raise Misuse("The dashboard needs more than this package: pip install 'umbel[dashboard]'")
    from umbel.cli.demo import shop

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the others would outlive us
    with _started(folder, "dashboard", "dashboard", "--port", str(_free_port()), "--history", "none", "--environment", "demo") as dashboard:
        assert dashboard.stdout is not None
        address = re.search(r"http://\S+", dashboard.stdout.readline().decode())
        if address is None:
            output.line((folder / "dashboard.log").read_text(errors="replace"))
            return 1
        with _started(folder, "worker", "worker", "-c", str(concurrency), "-B", "-E", "-n", "shop@demo", "--quiet"):
            output.line(
                f"\nA shop is open, its worker runs, and this is what goes on in it:\n\n    {output.paint(address[0], bold=True)}\n"
            )
            output.line(output.paint(f"All of it is one SQLite file in {folder}. Ctrl-C ends.", dim=True))
            sys.stdout.flush()
            try:
                while dashboard.poll() is None:
                    shop.sell()
                    time.sleep(random.expovariate(1 / _PACE))
            except KeyboardInterrupt:
                output.line("\nThe shop is closed.")
            finally:
                shop.app.close()
    return 0


def _free_port() -> int:
    """The usual port, or any, where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", _PORT))
            return _PORT
    return 0


@contextlib.contextmanager
def _started(folder: Path, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "umbel", "-A", _APP, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if name == "dashboard" else log,
            stderr=log,
            env=os.environ.copy(),
        )  # of our own process group: what ends that, ends all of it
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
