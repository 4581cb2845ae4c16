"""Log lines: the format that log readers of Celery know, in colour on a terminal, with nothing in them that could forge a line.

The format's fields are those of `logging`, plus ``task_name`` and ``task_id`` in the task format. The text of a message may come from
far away (a task's name, an argument, an exception), so control characters are shown, not sent to the terminal.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from dataclasses import dataclass
from typing import Final

from umbel import current, hooks

FORMAT: Final = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
TASK_FORMAT: Final = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"

#: Between the lines of one record.
CONTINUED: Final = "\n  "
#: C0 and C1 controls, DEL, and the bidirectional overrides that make text read otherwise than it is.
_CONTROLS: Final = {
    code: repr(chr(code))[1:-1]
    if code not in (0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069)
    else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
#: The same as JSON writes them; without C0, which every JSON writer escapes, and which stand between its lines.
JSON_ESCAPES: Final = {code: f"\\u{code:04x}" for code in _CONTROLS if code >= 0x7F}
_KEEP_LINES: Final = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\n\t"}

#: Above every logger of `get_task_logger`.
TASKS: Final = logging.getLogger("umbel.task")

_COLORS: Final = {logging.DEBUG: "34", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "35"}


def escape(text: str, most: int | None = None) -> str:
    """Bring ``text`` to one line of at most ``most`` characters, with escapes for what cannot be printed (controls, lone surrogates, …)."""
    if most is not None and len(text) > most:
        text = f"{text[:most]}…"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def escape_lines(text: str) -> str:
    """Escape control characters in ``text`` except line ends and tabs."""
    return text if text.isprintable() else text.translate(_KEEP_LINES)


class LineFormatter(logging.Formatter):
    """Formats records of the worker and of user code.

    Args:
        format: a `logging` format string.
        task_format: used for what a task logs; may name ``task_name`` and ``task_id``.
        color: colour the line by its level.
        datefmt: of the time, as for `time.strftime`.
        task_datefmt: the same in what a task logs.
    """

    def __init__(
        self,
        format: str = FORMAT,
        *,
        task_format: str = TASK_FORMAT,
        color: bool = False,
        datefmt: str | None = None,
        task_datefmt: str | None = None,
    ) -> None:
        super().__init__(format, datefmt)
        self._task_formatter = logging.Formatter(task_format, task_datefmt)
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        request = None if record.name.startswith("umbel.") else current.request.get()
        if request is None:
            text = super().format(record)
        else:
            record.task_name, record.task_id = request.task, request.id
            text = self._task_formatter.format(record)
        # What follows the first line may be foreign text (an exception's, in a traceback): it must not look like a line of ours.
        text = escape_lines(text).replace("\n", CONTINUED)
        color = _COLORS.get(record.levelno) if self._color else None
        return f"\x1b[{color}m{text}\x1b[0m" if color else text


class _CountsLosses:
    """Base of a handler that counts lost lines.

    A full disk costs lines, not a traceback for each: the first loss is reported on stderr, the number when lines pass again.
    """

    _lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)  # type: ignore[misc]  # that of the handler
        if lost and self._lost == lost:
            self._lost = 0
            text = f"{lost:,} log {'line' if lost == 1 else 'lines'} could not be written before this"
            super().emit(logging.LogRecord("umbel.logs", logging.ERROR, __file__, 0, text, None, None))  # type: ignore[misc]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)  # type: ignore[misc]
            return
        self._lost += 1
        if self._lost == 1 and sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):
                name = getattr(self, "baseFilename", "standard error")
                print(f"umbel: log lines are lost: {name}: {error.strerror}", file=sys.__stderr__, flush=True)


class _StreamHandler(_CountsLosses, logging.StreamHandler):  # type: ignore[type-arg]
    pass


def _file_handler(path: str) -> logging.Handler:
    """Make a handler that opens its file again when it was moved or removed, as logrotate does."""
    from logging.handlers import WatchedFileHandler  # late: it imports much

    class FileHandler(_CountsLosses, WatchedFileHandler):
        pass

    return FileHandler(path, encoding="utf-8")


class LogStream(io.TextIOBase):
    """A text stream that turns what is printed into log records, one a line.

    Args:
        logger: who says it.
        level: at which level.
    """

    encoding = "utf-8"

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self._logger = logger
        self._level = level
        self._rest = ""
        self._busy = threading.local()

    def write(self, text: str) -> int:
        """Log the whole lines of ``text``; keep the last, unfinished one."""
        if getattr(self._busy, "now", False):  # a handler that prints must not feed itself
            return len(text)
        self._busy.now = True
        try:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                if line.rstrip():
                    self._logger.log(self._level, "%s", line.rstrip())
        finally:
            self._busy.now = False
        return len(text)

    def writable(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The logging of a process. A worker sends it to its children."""

    #: The lowest level shown.
    level: int
    #: Path; ``None`` is stderr.
    file: str | None = None
    #: Of the worker's lines, and of those of tasks.
    format: str = FORMAT
    task_format: str = TASK_FORMAT
    #: Of the time, in the worker's lines and in those of tasks.
    datefmt: str | None = None
    task_datefmt: str | None = None
    #: JSON, one object a line, in place of the formats.
    as_json: bool = False
    #: Name of the worker, for JSON.
    worker: str | None = None
    #: Only ever used on stderr.
    color: bool = False
    #: Log what is printed to stdout and stderr at this level.
    redirect: int | None = None
    #: Replace the handlers that are there; else they stay, and go on alone.
    hijack: bool = True


def configure(options: LogOptions) -> None:
    """Send the root logger's records to stderr or a file, as ``options`` say, in place of where they went before.

    Listeners of ``setup_logging`` do it in their own way instead; those of ``after_setup_logger`` and ``after_setup_task_logger`` add to it.
    """
    file, task_format = options.file, options.task_format
    given = {"loglevel": options.level, "logfile": file, "colorize": options.color}
    if not hooks.setup_logging.send(None, format=options.format, **given):
        root = logging.getLogger()
        if options.hijack or not root.handlers:
            _replace_handlers(root, file, _formatter(options))
        root.setLevel(options.level)
        hooks.after_setup_logger.send(None, logger=root, format=options.format, **given)
        hooks.after_setup_task_logger.send(None, logger=TASKS, format=task_format, **given)
    if options.redirect is not None:
        printed = logging.getLogger("umbel_redirected")
        sys.stdout = LogStream(printed, options.redirect)
        sys.stderr = LogStream(printed, options.redirect)


def _formatter(options: LogOptions) -> logging.Formatter:
    if options.as_json:
        from umbel.runtime.host.json_lines import JsonFormatter

        return JsonFormatter(options.worker)
    return LineFormatter(
        options.format if options.format != "json" else FORMAT,
        task_format=options.task_format,
        color=options.color and not options.file,
        datefmt=options.datefmt,
        task_datefmt=options.task_datefmt,
    )


def _replace_handlers(root: logging.Logger, file: str | None, formatter: logging.Formatter) -> None:
    # The stream is fixed now, so that a redirected stderr does not come back to us.
    handler = _file_handler(file) if file else _StreamHandler(sys.__stderr__)
    handler.setFormatter(formatter)
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)


def get_task_logger(name: str) -> logging.Logger:
    """The logger of a module of tasks: what ``after_setup_task_logger`` adds to the loggers of tasks holds for it.

    Args:
        name: ``__name__``.
    """
    logger = logging.getLogger(name)
    if logger is not TASKS and logger.parent is not TASKS:
        logger.parent = TASKS
    return logger


def level_of(text: str | int) -> int:
    """Find a log level from ``text``: its name in any case, or its number.

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
