"""Where child processes come from: a clean process that has loaded the app once and forks at request.

The standard library's fork server does the work. The consumer process itself never forks: it has a running event loop, sockets and perhaps
threads, none of which may be copied. Where there is no fork (Windows) children are spawned.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.context import BaseContext

#: Environment variable that tells `umbel.pools.preload` which app to load.
VARIABLE = "_UMBEL_TEMPLATE_APP"
_STOP = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP") if hasattr(signal, name)]


def context() -> BaseContext:
    """The start method that fits this platform."""
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")


def warm_up(app_path: str) -> None:
    """Start the template process and have it load this app. Returns at once; it loads while the caller goes on. Safe twice.

    Args:
        app_path: ``module`` or ``module:attribute``, as after ``-A``.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        with starting(app_path):
            forkserver.ensure_running()


@contextlib.contextmanager
def starting(app_path: str) -> Iterator[None]:
    """Have a template process that is started here load this app.

    `Process.start` starts one, too, where there is none or only then is found dead.

    Args:
        app_path: as for `warm_up`.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    multiprocessing.get_context("forkserver").set_forkserver_preload(["umbel.pools.child", "umbel.pools.preload"])
    os.environ[VARIABLE] = app_path
    try:
        with holding_stop_signals():
            yield
    finally:
        os.environ.pop(VARIABLE, None)


@contextlib.contextmanager
def holding_stop_signals() -> Iterator[None]:
    """Have a process that is started here be born deaf to what stops its parent, for its parent decides when it ends.

    A terminal's Ctrl-C and a container's SIGTERM reach the whole process group. Blocked, not ignored: what comes meanwhile waits for the
    parent to listen again, and does not get lost. The new process calls `ignore_stop_signals`.
    """
    from multiprocessing import resource_tracker

    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        resource_tracker.ensure_running()  # it unblocks some of them
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals() -> None:
    """Ignore them from now on, those that wait included, and do not leave them blocked for children."""
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
