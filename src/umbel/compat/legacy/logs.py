"""Celery's ``celery.utils.log``."""

from __future__ import annotations

import logging
from multiprocessing import current_process, util
from typing import Any, Final

from umbel.runtime.logs import LineFormatter, LogStream, get_task_logger, level_of

__all__ = [
    "LOG_LEVELS", "ColorFormatter", "LoggingProxy", "TaskFormatter", "base_logger", "current_process", "get_logger",
    "get_multiprocessing_logger", "get_task_logger", "mlevel", "task_logger",
]  # fmt: skip

LOG_LEVELS: Final[dict[Any, Any]] = {
    **(_by_name := {name: number for name, number in logging.getLevelNamesMapping().items() if name != "WARN"}),
    **{number: name for name, number in _by_name.items()},
    "FATAL": logging.FATAL,
}

#: The worker's own, in whose place Celery has "celery".
base_logger = logging.getLogger("umbel")
task_logger = logging.getLogger("umbel.task")

ColorFormatter = LineFormatter
LoggingProxy = LogStream
get_multiprocessing_logger = util.get_logger


class TaskFormatter(logging.Formatter):
    """Fills ``%(task_name)s`` and ``%(task_id)s`` with those of the task that logs, ``???`` outside of one.

    Args:
        fmt: a `logging` format string.
        use_color: Celery's; without effect.
    """

    def __init__(self, fmt: str | None = None, use_color: bool = True) -> None:  # noqa: ARG002
        super().__init__(fmt)

    def format(self, record: logging.LogRecord) -> str:
        from umbel import current

        request = current.request.get()
        named = {"task_name": "???", "task_id": "???"} if request is None else {"task_name": request.task, "task_id": request.id}
        for name, value in named.items():
            record.__dict__.setdefault(name, value)
        return super().format(record)


def get_logger(name: Any) -> logging.Logger:
    """Return a logger.

    Args:
        name: of it, or the logger itself.
    """
    return logging.getLogger(name) if isinstance(name, str) else name


def mlevel(level: Any) -> Any:
    """Return the number of a log level.

    Args:
        level: its name or number.
    """
    return level_of(level) if level else level
