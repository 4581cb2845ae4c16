"""Notices tasks that keep an event loop from its other tasks, and names them in the log.

Each step of a coroutine, from one ``await`` to the next, is timed as it ends. For one that does not end, a thread looks from time to time. A step that took long because other
processes had the processors is not told of, where the system says so.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, Protocol

from umbel.pools.shared.serving import JobSlot
from umbel.runtime.logs import escape

logger: logging.Logger = logging.getLogger("umbel.child")

#: Seconds that a step may take.
SLOW = 0.1
#: Seconds after which a step that has not ended is told of.
STUCK = 1.0
#: Seconds in which steps of one task are told of once.
_QUIET = 60.0
#: Characters of a task's name or id in a log line.
_MOST = 200


class Step(Protocol):
    """A coroutine of a job."""

    slot: JobSlot
    headers: Mapping[str, Any]


class StepWatch:
    """Knows the step that runs now. To be made in the event loop's thread."""

    def __init__(self) -> None:
        self.thread: int = threading.get_ident()
        self._delays = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        #: Seconds that the thread had waited for a processor, when that was asked last.
        self._delay = 0.0
        #: The coroutine that runs now, and since when, monotonic seconds.
        self.current: Step | None = None
        self.since: float = 0.0
        #: When the steps of a task were last told of, by its name.
        self._told: dict[str, float] = {}
        self._is_over = threading.Event()

    def start(self) -> None:
        """Look for steps that do not end, in a thread."""
        threading.Thread(target=self._look, name="umbel-step-watch", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._is_over.set()

    def slow(self, step: Step, seconds: float) -> None:
        """Tell of a step that was slow.

        Args:
            step: whose coroutine it was.
            seconds: that it took.
        """
        name, task_id = _named(step)
        now, before = monotonic(), self._delay
        self._learn_delay()
        if now - self._told.get(name, -_QUIET) < _QUIET or seconds - (self._delay - before) < SLOW:
            return
        self._told[name] = now
        logger.warning(
            "Task %s[%s] kept the event loop for %.2f s: no other task of this process ran meanwhile. Await what takes long, or use asyncio.to_thread",
            name, task_id, seconds,
        )  # fmt: skip

    def _look(self) -> None:
        told = 0.0
        while not self._is_over.wait(STUCK / 2):
            step, since = self.current, self.since
            if step is None:
                self._learn_delay()
            elif since != told and monotonic() - since >= STUCK:
                frame = sys._current_frames().get(self.thread)  # noqa: SLF001 - there is no other way
                if self.current is step and self.since == since:
                    told = since
                    logger.warning(
                        "Task %s[%s] has kept the event loop for more than %g s, and still does, %s", *_named(step), STUCK, _place(frame)
                    )

    def _learn_delay(self) -> None:
        with contextlib.suppress(OSError, IndexError, ValueError):  # the system does not tell
            self._delay = int(self._delays.read_text(encoding="ascii").split()[1]) / 1e9


def _named(step: Step) -> tuple[str, str]:
    return escape(str(step.headers.get("task")), _MOST), escape(str(step.headers.get("id")), _MOST)


def _place(frame: FrameType | None) -> str:
    return "somewhere" if frame is None else f"in {frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})"
