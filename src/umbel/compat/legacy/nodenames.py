"""Celery's ``celery.utils.nodenames``."""

from __future__ import annotations

import os
import socket
from functools import cache
from typing import Any

from umbel.app.sending import queues
from umbel.worker.options import fill

NODENAME_SEP = "@"
NODENAME_DEFAULT = "celery"

gethostname = cache(socket.gethostname)


def worker_direct(hostname: Any) -> Any:
    """Return the queue that only one worker reads.

    Args:
        hostname: the worker's name, or its queue already.
    """
    return queues.worker_direct(hostname) if isinstance(hostname, str) else hostname


def nodename(name: str, hostname: str) -> str:
    """Join a name and a host.

    Args:
        name: before the ``@``.
        hostname: after it.
    """
    return f"{name}{NODENAME_SEP}{hostname}"


def anon_nodename(hostname: str | None = None, prefix: str = "gen") -> str:
    """Make the name of this process.

    Args:
        hostname: of this machine.
        prefix: before the process's number.
    """
    return nodename(f"{prefix}{os.getpid()}", hostname or gethostname())


def nodesplit(name: str) -> tuple[str | None, str]:
    """Split a name into what is before and after the ``@``.

    Args:
        name: ``None`` is the first part where there is no ``@``.
    """
    first, at, host = name.partition(NODENAME_SEP)
    return (first, host) if at else (None, first)


def default_nodename(hostname: str | None) -> str:
    """Complete the name of a worker.

    Args:
        hostname: the name as far as it is given.
    """
    name, host = nodesplit(hostname or "")
    return nodename(name or NODENAME_DEFAULT, host or gethostname())


def node_format(s: str, name: str, **extra: str) -> str:
    """Fill a template with the parts of a worker's name.

    Args:
        s: the template, with ``%h``, ``%n``, ``%d``, ``%p``.
        name: of the worker.
        extra: more letters.
    """
    first, host = nodesplit(name)
    return host_format(s, host, first or NODENAME_DEFAULT, p=name, **extra)


def host_format(s: str, host: str | None = None, name: str | None = None, **extra: str) -> str:
    """Fill a template with the parts of a host's name.

    Args:
        s: the template, with ``%h``, ``%n``, ``%d``.
        host: of this machine when not given.
        name: for ``%n``; the host's first part when not given.
        extra: more letters.
    """
    host = host or gethostname()
    short, _, domain = host.partition(".")
    return fill(s, {"h": host, "n": name or short, "d": domain, "i": "%i", "I": "%I", **extra})
