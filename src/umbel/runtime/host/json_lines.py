"""Log records as JSON: one object a line, for what collects logs."""

from __future__ import annotations

import datetime as dt
import json
import logging

from umbel import current


class JsonFormatter(logging.Formatter):
    """Formats a record as an object: time, level, logger, message, worker, process; task_id and task_name in a task; exception if there is one.

    Args:
        worker: name of the worker.
    """

    def __init__(self, worker: str | None = None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        time = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "worker": self._worker,
            "process": record.process,
        }
        request = None if record.name.startswith("umbel.") else current.request.get()
        if request is not None:
            line |= {"task_id": request.id, "task_name": request.task}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps({name: value for name, value in line.items() if value is not None})
