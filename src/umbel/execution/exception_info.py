"""`ExceptionInfo`: the error that a task's handlers get as ``einfo``."""

from __future__ import annotations

import traceback
from types import TracebackType


class ExceptionInfo:
    """An exception with its traceback as text, without the frames of the worker around the task.

    Args:
        exception: what was raised.
        internal: it did not come from the task's own code.
    """

    __slots__ = ("exception", "internal", "tb", "traceback", "type")

    def __init__(self, exception: BaseException, internal: bool = False) -> None:
        self.type: type[BaseException] = type(exception)
        self.exception: BaseException = exception
        self.internal: bool = internal
        self.tb: TracebackType | None = _outside(exception.__traceback__)
        self.traceback: str = format_exception(exception)

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.exception!r}>"

    @property
    def exc_info(self) -> tuple[type[BaseException], BaseException, TracebackType | None]:
        """The error as ``sys.exc_info()`` gives it."""
        return self.type, self.exception, self.tb


def format_exception(exception: BaseException) -> str:
    """Format the traceback of ``exception`` as Python prints it, from the task's own frames on."""
    return "".join(traceback.format_exception(type(exception), exception, _outside(exception.__traceback__)))


def _outside(tb: TracebackType | None) -> TracebackType | None:
    first = tb
    while tb is not None and tb.tb_frame.f_globals.get("__name__", "").startswith("umbel.execution"):
        tb = tb.tb_next
    return tb or first
