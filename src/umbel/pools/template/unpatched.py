"""The system's own calls, in a process whose blocking calls gevent or eventlet have replaced by ones that let other greenlets run."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any


def original(module: str, name: str) -> Any:
    """Find what stood under a name of a module of the standard library before it was replaced, if it was.

    Args:
        module: its name.
        name: in the module.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None:
        return gevent.get_original(module, name)
    if eventlet is not None:
        return getattr(eventlet.original(module), name)
    return getattr(importlib.import_module(module), name)


def patched_by() -> str:
    """Find the library that has replaced blocking calls in this process; empty where none has."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    return "eventlet" if eventlet is not None and eventlet.is_monkey_patched("thread") else ""


def keep_unpatched(patched: str) -> None:
    """Have modules that patch as they are imported do nothing in this process, which runs no tasks: its children are patched.

    Args:
        patched: ``module:function`` that would do so.
    """
    module, _, function = patched.partition(":")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = importlib.import_module(module)
    except ImportError:
        return  # whoever makes the pool says so
    setattr(found, function, _do_nothing)


def _do_nothing(*_: Any, **__: Any) -> None:
    """Stands where something was patched."""
