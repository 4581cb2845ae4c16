"""Log lines: the format that log readers of Celery know, in colour on a terminal, with nothing in them that could forge a line.

The format's fields are those of `logging`, plus ``task_name`` and ``task_id`` in the task format. The text of a message may come from
far away (a task's name, an argument, an exception), so control characters are shown, not sent to the terminal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Final

FORMAT: Final = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
TASK_FORMAT: Final = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"

#: C0 and C1 controls, DEL, and the bidirectional overrides that make text read otherwise than it is.
_CONTROLS: Final = {
    code: repr(chr(code))[1:-1]
    if code not in (0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069)
    else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_KEEP_LINES: Final = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\n\t"}

_COLORS: Final = {logging.DEBUG: "34", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "35"}


def escape(text: str) -> str:
    """The text on one line, control characters as escapes."""
    return text if text.isprintable() else text.translate(_CONTROLS)


class LineFormatter(logging.Formatter):
    """Formats records of the worker and of user code.

    Args:
        format: a `logging` format string.
        color: colour the line by its level.
        task: returns the name and id of the task that is running, or ``None``; with it, lines logged by a task use ``task_format``.
    """

    def __init__(
        self,
        format: str = FORMAT,
        *,
        color: bool = False,
        task_format: str = TASK_FORMAT,
        task: Callable[[], tuple[str, str] | None] | None = None,
    ) -> None:
        super().__init__(format)
        self._color = color
        self._task = task
        self._task_formatter = logging.Formatter(task_format) if task is not None else None

    def format(self, record: logging.LogRecord) -> str:
        text = self._plain(record)
        if not text.isprintable():
            # Our own lines are one event each; what user code and tracebacks say may have several lines.
            head, newline, rest = text.partition("\n") if record.exc_info or record.stack_info else (text, "", "")
            ours = record.name.startswith("umbel")
            text = head.translate(_CONTROLS if ours else _KEEP_LINES) + newline + rest.translate(_KEEP_LINES)
        color = _COLORS.get(record.levelno) if self._color else None
        return f"\x1b[{color}m{text}\x1b[0m" if color else text

    def _plain(self, record: logging.LogRecord) -> str:
        task = self._task() if self._task is not None and not record.name.startswith("umbel.") else None
        if task is None or self._task_formatter is None:
            return super().format(record)
        record.task_name, record.task_id = task
        return self._task_formatter.format(record)


def configure(
    level: int,
    *,
    file: str | None = None,
    format: str = FORMAT,
    task_format: str = TASK_FORMAT,
    color: bool = False,
    task: Callable[[], tuple[str, str] | None] | None = None,
    hijack: bool = True,
) -> logging.Handler | None:
    """Send the root logger's records to stderr or a file.

    Args:
        level: the lowest level shown.
        file: path; ``None`` is stderr.
        color: only ever used on stderr.
        hijack: replace handlers that are there already; otherwise a root logger with handlers is left as it is.

    Returns:
        The handler, or ``None`` when there were handlers and ``hijack`` is off.
    """
    root = logging.getLogger()
    if root.handlers and not hijack:
        return None
    for old in root.handlers[:]:
        root.removeHandler(old)
    handler: logging.Handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(format, color=color and not file, task_format=task_format, task=task))
    root.addHandler(handler)
    root.setLevel(level)
    return handler


def level_of(text: str | int) -> int:
    """A level by name in any case, or number.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(text, int) or text.isdigit():
        return int(text)
    levels = logging.getLevelNamesMapping()
    try:
        return levels[text.upper()]
    except KeyError:
        raise ValueError(f"{text!r} is not a log level: expected debug, info, warning, error or critical") from None
