"""Celery's ``celery.platforms``, as far as projects use it."""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

SYSTEM: Final = platform.system()
IS_macOS: Final = SYSTEM == "Darwin"
IS_WINDOWS: Final = SYSTEM == "Windows"

EX_OK: Final = getattr(os, "EX_OK", 0)
EX_FAILURE: Final = 1
EX_UNAVAILABLE: Final = getattr(os, "EX_UNAVAILABLE", 69)
EX_USAGE: Final = getattr(os, "EX_USAGE", 64)
EX_CANTCREAT: Final = getattr(os, "EX_CANTCREAT", 73)


def pyimplementation() -> str:
    """Return the name of this Python."""
    return platform.python_implementation()


def isatty(fh: Any) -> bool:
    """Report whether a file is a terminal.

    Args:
        fh: the file.
    """
    try:
        return bool(fh.isatty())
    except AttributeError:
        return False


def signal_name(signum: int) -> str:
    """Return the short name of a signal, such as ``TERM``.

    Args:
        signum: its number.
    """
    return signal.Signals(signum).name[3:]


def set_process_title(progname: str, info: str | None = None) -> str | None:
    """Set the title of this process, where ``setproctitle`` is installed; returns it.

    Args:
        progname: its first part.
        info: the rest.
    """
    title = f"[{progname}] {info}" if info else f"[{progname}]"
    try:
        import setproctitle  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    setproctitle.setproctitle(title)
    return title


class Signals:
    """Signals by name: ``signals["TERM"] = handler``."""

    ignored: Any = signal.SIG_IGN
    default: Any = signal.SIG_DFL

    def supported(self, name: str) -> bool:
        """Report whether this system has the signal ``name``."""
        return hasattr(signal, self._full(name))

    def signum(self, name: Any) -> int:
        """Return the number of the signal ``name``.

        Raises:
            TypeError: it is neither a number nor a name.
        """
        if isinstance(name, int):
            return name
        if not isinstance(name, str) or not name.isupper():
            raise TypeError(f"expected a signal's name such as TERM, got {name!r}")
        return int(getattr(signal, self._full(name)))

    def reset(self, *signal_names: str) -> None:
        """Give the signals ``signal_names`` their usual effect again."""
        self.update(dict.fromkeys(signal_names, self.default))

    def ignore(self, *names: str) -> None:
        """Ignore the signals ``names``."""
        self.update(dict.fromkeys(names, self.ignored))

    def update(self, _d_: Mapping[str, Any] | None = None, **sigmap: Any) -> None:
        """Set handlers by name, from a mapping and from ``**sigmap``."""
        for name, handler in {**(_d_ or {}), **sigmap}.items():
            self[name] = handler

    def __getitem__(self, name: Any) -> Any:
        return signal.getsignal(self.signum(name))

    def __setitem__(self, name: Any, handler: Any) -> None:
        if self.supported(name):
            signal.signal(self.signum(name), handler)

    @staticmethod
    def _full(name: str) -> str:
        return name if name.startswith("SIG") else f"SIG{name}"


signals: Signals = Signals()
get_signal: Final = signals.signum
install_signal_handler: Final = signals.__setitem__
reset_signal: Final = signals.reset
ignore_signal: Final = signals.ignore


def get_fdmax(default: int | None = None) -> int | None:
    """Return how many files this process may open.

    Args:
        default: returned where there is no limit.
    """
    if sys.platform == "win32":
        return default
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return default if most == resource.RLIM_INFINITY else most
