"""The system's own calls, in a process whose blocking calls gevent or eventlet have replaced by ones that let other greenlets run."""

from __future__ import annotations

import importlib
import sys
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
