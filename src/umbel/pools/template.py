"""Where child processes come from: a clean process that has loaded the app once and forks at request.

The standard library's fork server does the work. The consumer process itself never forks: it has a running event loop, sockets and perhaps
threads, none of which may be copied. Where there is no fork (Windows) children are spawned.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext

#: Environment variable that tells `umbel.pools.preload` which app to load.
VARIABLE = "_UMBEL_TEMPLATE_APP"


def context() -> BaseContext:
    """The start method that fits this platform."""
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")


def warm_up(app_path: str) -> None:
    """Start the template process and have it load this app. Returns at once; it loads while the caller goes on. Safe twice.

    Args:
        app_path: ``module`` or ``module:attribute``, as after ``-A``.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    from multiprocessing import forkserver

    multiprocessing.get_context("forkserver").set_forkserver_preload(["umbel.pools.child", "umbel.pools.preload"])
    os.environ[VARIABLE] = app_path
    try:
        with ignoring_stop_signals():
            forkserver.ensure_running()
    finally:
        os.environ.pop(VARIABLE, None)


@contextlib.contextmanager
def ignoring_stop_signals() -> Iterator[None]:
    """Have a process that is started here ignore what stops its parent, for its parent decides when it ends.

    A terminal's Ctrl-C and a container's SIGTERM reach the whole process group.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(name, signal.SIG_IGN) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler if handler is not None else signal.SIG_DFL)
