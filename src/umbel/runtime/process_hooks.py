"""Hooks at fork and exit, for objects whose connections and threads belong to one process.

The interpreter keeps what it is given for such moments until it ends, and a fork hook cannot be taken back. So it is given one function
for each moment, here; the objects are held weakly, and nothing is left of one that is gone.
"""

from __future__ import annotations

import atexit
import importlib
import itertools
import logging
import os
import sys
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any, Final

logger: logging.Logger = logging.getLogger("umbel.runtime")


class _Hooks:
    """Bound methods to be called at a fork or at the exit: the newest object's first, because it may rest on older ones."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        # Not WeakMethod: it stumbles, and says so at exit, when one garbage collection takes an object before its method's function.
        self._methods: dict[int, tuple[weakref.ref[Any], Callable[[Any], None]]] = {}

    def __len__(self) -> int:
        return len(self._methods)

    def add(self, method: Callable[[], None]) -> None:
        assert isinstance(method, MethodType)
        number = next(self._numbers)
        self._methods[number] = weakref.ref(method.__self__, lambda _: self._methods.pop(number, None)), method.__func__

    def run(self) -> None:
        for find, function in reversed(list(self._methods.values())):
            owner = find()
            if owner is not None:
                try:
                    function(owner)
                except Exception:  # the next one must be called too
                    logger.exception("%s failed; the hooks after it are called", function.__qualname__)


_FORKED: Final = _Hooks()
_EXITING: Final = _Hooks()


def attach(*, after_fork: Callable[[], None], before_exit: Callable[[], None] | None = None) -> None:
    """Have methods of an object called, as long as it lives.

    Args:
        after_fork: in each forked child. It must not wait for a lock: the thread that holds it stayed in the parent.
        before_exit: when the interpreter ends.
    """
    _FORKED.add(after_fork)
    if before_exit is not None:
        _EXITING.add(before_exit)


def is_child_process() -> bool:
    """Report whether this process may end without atexit functions: forked after Umbel was imported, made by `multiprocessing`, or uWSGI's.

    uWSGI ends its workers without them, whether a worker loaded the app itself (`lazy-apps`) or its master did.
    """
    return os.getpid() != _IMPORTED_IN or _is_multiprocessing_child() or "uwsgi" in sys.modules


def _is_multiprocessing_child() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def hook_multiprocessing() -> None:
    """Have what is attached called at the end of a `multiprocessing` child, too, which runs no atexit functions.

    Call it in the child: `multiprocessing` forgets what was registered before.
    """
    global _hooked_in  # noqa: PLW0603 - of this process
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _hooked_in != os.getpid() and _is_multiprocessing_child():
        _hooked_in = os.getpid()
        util.Finalize(None, _EXITING.run, exitpriority=10)


def after_fork(function: Callable[[], None]) -> None:
    """Have ``function`` called in each forked child, as long as the program runs; before the methods of objects that were made."""
    _IN_CHILDREN.insert(0, function)


def _begin_child() -> None:
    """Call the hooks in a forked child, before anything else of ours."""
    global _seen_in  # noqa: PLW0603 - of this process
    if _seen_in != os.getpid():  # uWSGI may tell of one fork twice
        _seen_in = os.getpid()
        for function in _IN_CHILDREN:
            function()


def _hook_uwsgi(uwsgi: Any) -> None:
    """Have uWSGI report its forks, too: by default it forks without telling Python, so that hooks of `os.register_at_fork` are not called.

    Args:
        uwsgi: the module that there is inside uWSGI alone. It calls one function in a new worker, mule or spooler.
    """
    try:
        # It takes that function for itself when it is imported, and keeps a list; so it must not be imported after us.
        chain = importlib.import_module("uwsgidecorators").postfork_chain
    except Exception:  # not installed; or there is no master process, which it says by a bare Exception
        others = getattr(uwsgi, "post_fork_hook", None)

        def begin_child() -> None:
            _begin_child()
            if others is not None:
                others()

        uwsgi.post_fork_hook = begin_child
    else:
        chain.insert(0, _begin_child)


_IMPORTED_IN: Final = os.getpid()
_hooked_in = 0
_seen_in = _IMPORTED_IN
_IN_CHILDREN: Final[list[Callable[[], None]]] = [_FORKED.run]

atexit.register(_EXITING.run)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)
if "uwsgi" in sys.modules:
    _hook_uwsgi(sys.modules["uwsgi"])
