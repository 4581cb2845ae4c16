"""Wait until a socket can be read or written, in threads, which may be greenlets."""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import sys
import time
from typing import Any, Final

#: Seconds between two looks at a socket for which another greenlet waits.
_LOOK: Final = 0.001


def wait(sock: socket.socket, timeout: float, *, read: bool = True, write: bool = False) -> tuple[bool, bool]:
    """Wait until one of the things asked for is possible; returns for each whether it is.

    Args:
        sock: a socket that is open.
        timeout: seconds; not more than 0 only looks.
        read: also true at the other side's end and at an error, which reading will tell.
        write: as it says.

    Raises:
        OSError: the socket is closed.
        ValueError: likewise.
    """
    if hasattr(select, "poll"):  # no limit on descriptors, unlike select
        return _poll(select, sock, max(0.0, timeout), read=read, write=write)
    try:
        found = select.select([sock] if read else [], [sock] if write else [], [], max(0.0, timeout))
    except RuntimeError:  # eventlet, which has taken poll away, lets one greenlet wait for a socket
        return _look(sock, timeout, read=read, write=write)
    return bool(found[0]), bool(found[1])


def _poll(module: Any, sock: socket.socket, timeout: float, *, read: bool, write: bool) -> tuple[bool, bool]:
    poller = module.poll()
    poller.register(sock, (module.POLLIN if read else 0) | (module.POLLOUT if write else 0))
    found = poller.poll(timeout * 1000)
    mask = found[0][1] if found else 0
    is_broken = bool(mask & (module.POLLERR | module.POLLHUP | module.POLLNVAL))
    return read and (bool(mask & module.POLLIN) or is_broken), write and (bool(mask & module.POLLOUT) or is_broken)


def _look(sock: socket.socket, timeout: float, *, read: bool, write: bool) -> tuple[bool, bool]:
    """Look again and again, and let other greenlets run between."""
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is None:
        raise RuntimeError("a socket cannot be waited for: this process has neither poll nor eventlet")
    unpatched, end = patcher.original("select"), time.monotonic() + timeout
    while True:
        found = _poll(unpatched, sock, 0, read=read, write=write)
        left = end - time.monotonic()
        if found != (False, False) or left <= 0:
            return found
        time.sleep(min(_LOOK, left))


class Interrupt:
    """Waiting for a socket in a thread that another thread can wake."""

    def __init__(self) -> None:
        #: Made when somebody waits.
        self._pair: tuple[socket.socket, socket.socket] | None = None
        self._is_set = False

    def set(self) -> None:
        """End this wait and every later one."""
        self._is_set = True
        if self._pair is not None:
            with contextlib.suppress(OSError):
                self._pair[1].send(b"x")

    def wait(self, sock: Any, timeout: float | None) -> None:
        """Return when a socket can be read, when it is closed, after a timeout, or when `set` was called.

        Args:
            sock: what has a file descriptor, or ``None`` to wait for `set` alone.
            timeout: seconds; ``None`` is for ever.
        """
        if self._pair is None and not self._is_set:
            self._pair = socket.socketpair()
        if self._pair is None or self._is_set:  # `set` says first that it is, and then looks whom to wake
            return
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError, KeyError):
            selector.register(self._pair[0], selectors.EVENT_READ)
            if sock is not None:
                selector.register(sock, selectors.EVENT_READ)
            selector.select(timeout)

    def close(self) -> None:
        """Close the sockets; in a forked child, its copies."""
        pair, self._pair = self._pair, None
        for each in pair or ():
            each.close()
