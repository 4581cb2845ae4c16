"""``app.log``."""

from __future__ import annotations

import logging
from typing import Any

from umbel.cli.process.duties import file_name
from umbel.compat.legacy.logs import get_logger, mlevel
from umbel.runtime import logs


class Logging:
    """Sets logging up for an app.

    Args:
        app: the app.
    """

    #: It was set up.
    _setup = False

    def __init__(self, app: Any) -> None:
        self.app = app

    @property
    def already_setup(self) -> bool:
        """Report whether it was set up."""
        return self._setup

    @already_setup.setter
    def already_setup(self, value: bool) -> None:
        self._setup = value

    def setup(
        self,
        loglevel: Any = None,
        logfile: str | None = None,
        redirect_stdouts: bool = False,
        redirect_level: Any = "WARNING",
        colorize: bool | None = None,
        hostname: str | None = None,
    ) -> bool:
        """Set everything up; returns whether that was not done before.

        Args:
            loglevel: name or number.
            logfile: path, with ``%n``, ``%h`` and the like; stderr when not given.
            redirect_stdouts: log what is printed.
            redirect_level: at this level.
            colorize: colour lines by their level.
            hostname: the worker's name.
        """
        done = self.setup_logging_subsystem(loglevel, logfile, colorize=colorize, hostname=hostname)
        if redirect_stdouts:
            self.redirect_stdouts(redirect_level)
        return done

    def setup_logging_subsystem(
        self,
        loglevel: Any = None,
        logfile: str | None = None,
        format: str | None = None,
        colorize: bool | None = None,
        hostname: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> bool:
        """Set the root logger up; returns whether that was not done before.

        Args:
            loglevel: name or number.
            logfile: path, with ``%n``, ``%h`` and the like; stderr when not given.
            format: a `logging` format string.
            colorize: colour lines by their level.
            hostname: the worker's name.
            kwargs: Celery's; without effect.
        """
        if self._setup:
            return False
        self._setup = True
        conf = self.app.conf
        logs.configure(
            logs.LogOptions(
                level=mlevel(loglevel) or logging.WARNING,
                file=file_name(logfile, hostname or "") if logfile else None,
                format=format or conf.worker_log_format,
                task_format=conf.worker_task_log_format,
                color=bool(conf.worker_log_color if colorize is None else colorize),
                hijack=bool(conf.worker_hijack_root_logger),
            )
        )
        return True

    def setup_task_loggers(self, *_: Any, **__: Any) -> logging.Logger:
        """Return the logger above those of tasks."""
        return logs.TASKS

    def redirect_stdouts(self, loglevel: Any = None, name: str = "celery.redirected") -> None:
        """Log what is printed.

        Args:
            loglevel: name or number.
            name: of the logger.
        """
        self.redirect_stdouts_to_logger(get_logger(name), loglevel)

    def redirect_stdouts_to_logger(self, logger: logging.Logger, loglevel: Any = None, stdout: bool = True, stderr: bool = True) -> Any:
        """Log what is printed; returns the stream that does it.

        Args:
            logger: that says it.
            loglevel: name or number.
            stdout: what is printed to stdout.
            stderr: what is printed to stderr.
        """
        import sys

        stream = logs.LogStream(logger, mlevel(loglevel) or logging.WARNING)
        if stdout:
            sys.stdout = stream
        if stderr:
            sys.stderr = stream
        return stream

    def get_default_logger(self, name: str = "celery", **_: Any) -> logging.Logger:
        """Return a logger.

        Args:
            name: of it.
        """
        return get_logger(name)
