"""Notifications to the service manager that started this process: ready, stopping, and that it still works.

The protocol is systemd's (sd_notify(3)): datagrams to the socket that ``NOTIFY_SOCKET`` names. Other managers speak it too.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from umbel.runtime.clock import SYSTEM


class ServiceManager:
    """The service manager, if there is one that wants to be told; else nothing is done.

    Args:
        environ: where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked for.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        #: Seconds within which it wants to hear from us again and again; ``None``: it does not.
        self.watchdog: float | None = None if self._address is None else _watchdog(environ)

    @property
    def is_there(self) -> bool:
        """Report whether somebody wants to be told."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """Say that the process works.

        Args:
            status: a line for people.
        """
        self._send("READY=1", f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """Say that the process is stopping.

        Args:
            status: a line for people.
        """
        self._send("STOPPING=1", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """Say that the process will be ready again: it starts anew, under the same number.

        Args:
            status: a line for people.
        """
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(SYSTEM.monotonic() * 1e6)}", f"STATUS={status}")

    def alive(self) -> None:
        """Say that the process still works."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        # A manager that does not listen any more is no reason to fail.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock,
        ):
            sock.sendto("\n".join(lines).encode(), self._address)


def _address(given: str) -> str | None:
    if not given or given[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
        return None
    return "\0" + given[1:] if given[0] == "@" else given


def _watchdog(environ: Mapping[str, str]) -> float | None:
    micros, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or int(micros) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 1e6
