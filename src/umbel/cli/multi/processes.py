"""The processes of ``umbel multi``: found by their pidfiles, started, signalled, waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from umbel.cli.multi.nodes import Node
from umbel.cli.process.detaching import DETACHED
from umbel.cli.process.duties import file_name, holder

#: Seconds between two looks at processes that are to end.
_LOOK = 0.1


def signal_number(word: str) -> signal.Signals | None:
    """Find the signal that ``word``, ``TERM``, ``SIGTERM`` or ``15``, names; ``None`` if there is none."""
    try:
        if word.isdecimal():
            return signal.Signals(int(word))
        return signal.Signals[word if word.startswith("SIG") else f"SIG{word}"]
    except (ValueError, KeyError):
        return None


def command(node: Node, executable: str | None = None) -> list[str]:
    """Make the command line of a worker.

    Args:
        node: the worker.
        executable: Python to run it with; this one if ``None``.
    """
    return [executable or sys.executable, "-m", "umbel", "worker", *node.arguments()]


def running(node: Node) -> int | None:
    """Return the process id of a worker, ``node``; ``None`` when it does not run: no pidfile, or a stale one, or a number used again."""
    return holder(Path(file_name(node.pidfile, node.name)))


def start(node: Node, executable: str | None = None) -> tuple[int, str]:
    """Start a worker and wait until it is ready or has failed; returns the exit code and what it said.

    Args:
        node: the worker.
        executable: Python to run it with; this one if ``None``.
    """
    for template in (node.pidfile, node.logfile):
        folder = Path(file_name(template, node.name)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return 1, f"Cannot make the folder {folder}: {error.strerror}. See --pidfile and --logfile."
    env = {name: value for name, value in os.environ.items() if name != DETACHED}
    try:
        done = subprocess.run(
            command(node, executable), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        return 1, f"Cannot run {executable}: {error.strerror}."
    return done.returncode, done.stdout.decode(errors="replace").strip()


def send(pid: int, number: signal.Signals) -> str | None:
    """Send a signal to a worker; returns why that failed, or ``None``.

    Args:
        pid: of the worker.
        number: the signal.
    """
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return None
    except OSError as error:
        return f"{error.strerror} (process {pid})"
    return None


def wait(nodes: Iterable[tuple[Node, int]]) -> Iterable[Node]:
    """Wait for workers to end; yields each as it has ended.

    Args:
        nodes: each with its process id.
    """
    left = dict(nodes)
    while left:
        for node, pid in list(left.items()):
            if not _lives(pid):
                del left[node]
                # One that was killed could not remove its file; the number may be used again.
                path = Path(file_name(node.pidfile, node.name))
                with suppress(OSError, ValueError):
                    if int(path.read_text()) == pid:
                        path.unlink()
                yield node
        if left:
            time.sleep(_LOOK)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return not _is_zombie(pid)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True


def _is_zombie(pid: int) -> bool:
    """Report whether a process has ended and only its parent does not know yet (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
