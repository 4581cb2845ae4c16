"""The machine: its processors, and its C library's memory."""

from __future__ import annotations

import contextlib
import os

#: From glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
#: Bytes.
_LARGE = 1 << 20


def return_large_blocks() -> None:
    """Have blocks of a megabyte and more go back to the system as soon as they are freed; does nothing where there is no glibc.

    By itself glibc learns from the first large message that is freed to keep such blocks, and a worker that has seen a few of 16 MB has a
    hundred megabytes that it does not use.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
