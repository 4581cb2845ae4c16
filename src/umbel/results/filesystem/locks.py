"""Locks on files, between threads, processes and machines that share a folder."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        while True:
            with contextlib.suppress(OSError):  # it gives up after ten seconds
                msvcrt.locking(number, msvcrt.LK_LOCK, 1)
                return

    def _unlock(number: int) -> None:
        os.lseek(number, 0, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX)

    def _unlock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_UN)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock that a file is; other holders are waited for. The file stays: removing it would part those who wait.

    Args:
        path: made if there is none.

    Raises:
        OSError: it cannot be opened, or locked there.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(number)
        try:
            yield
        finally:
            _unlock(number)  # not left to close(): a child that was forked meanwhile has the file open, too
    finally:
        os.close(number)
