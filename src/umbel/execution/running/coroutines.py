"""Run ``async def`` tasks one at a time on a loop that lives on between them, and interrupt them by an exception of one's choice.

A signal handler cannot simply raise while a coroutine waits: the exception would hit the loop, not the task. So the coroutine is wrapped. To
interrupt, its asyncio task is cancelled, and the wrapper throws the chosen exception into the coroutine in place of `CancelledError`. The task may catch it and
go on, like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import FrameType, TracebackType
from typing import Any

from umbel.errors import TaskError


class Interruptible(Coroutine[Any, Any, Any]):
    """A coroutine that can be interrupted from outside.

    Args:
        inner: the coroutine.
    """

    __slots__ = ("_error", "_inner", "task")

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner
        self._error: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` where the coroutine waits; called on its loop."""
        if self.task is not None and not self.task.done():
            self._error = error
            self.task.cancel()

    def send(self, value: Any) -> Any:
        return self._inner.send(value)

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        error, self._error = self._error, None
        if error is not None and self.task is not None:
            self.task.uncancel()
            return self._inner.throw(error)
        if val is None and tb is None:
            return self._inner.throw(typ)
        return self._inner.throw(typ, val, tb)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


class TaskLoop(asyncio.SelectorEventLoop):
    """An event loop that runs one task's coroutine at a time, beside whatever it left behind in the background."""

    current: Interruptible | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run ``coroutine`` to its end.

        Whatever it raises is raised here, a cancellation as `TaskError`; if something else is (a signal handler's exception that hit the loop itself), the coroutine is cancelled first.
        """
        self.current = wrapped = Interruptible(coroutine)
        wrapped.task = task = self.create_task(wrapped)
        try:
            return self.run_until_complete(task)
        except asyncio.CancelledError as error:
            # Not an Exception: it would end the process.
            raise TaskError("The coroutine was cancelled.") from error
        finally:
            self.current = None
            if not task.done():
                task.cancel()
                self.run_until_complete(asyncio.wait([task]))
            wrapped.task = None  # a circle, which would keep what the task returned

    def interrupt(self, frame: FrameType | None, error: BaseException) -> bool:
        """Interrupt the coroutine that runs here, if it waits; from any thread, or a signal handler.

        Args:
            frame: of what this loop's thread is at.
            error: to be raised in the coroutine.

        Returns:
            False when it does not wait: the task's own code is on top.
        """
        current = self.current
        module = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
        if current is None or not module.startswith(("asyncio", "selectors")):
            return False
        self.call_soon_threadsafe(current.interrupt, error)
        return True


def interrupt(frame: FrameType | None, error: BaseException) -> bool:
    """Interrupt the coroutine that waits on this thread's loop; called by a signal handler.

    Args:
        frame: what the signal interrupted.
        error: to be raised in the coroutine.

    Returns:
        False when the handler should raise by itself: no such loop runs, or the task's own code is on top.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    return isinstance(loop, TaskLoop) and loop.interrupt(frame, error)
