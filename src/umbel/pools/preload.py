"""Imported by the template process only: loads the app and all its tasks there, so that every child shares them.

The fork server imports modules by name and passes them nothing, so the app's path comes in the environment. What goes wrong here is passed over:
each child loads the app itself and reports the trouble.
"""

from __future__ import annotations

import contextlib
import gc
import os

from umbel.app.discovery import find_app
from umbel.pools.template import VARIABLE, ignore_stop_signals
from umbel.runtime import importing
from umbel.runtime.allocation import return_large_blocks

if os.environ.get(VARIABLE):
    importing.begin_for_child()
    ignore_stop_signals()
    return_large_blocks()
    with contextlib.suppress(Exception, SystemExit):
        _app = find_app(os.environ.pop(VARIABLE)).app
        _app.import_modules()
        _app.finalize()
        # What every child imports at its first task is imported once, here. Nothing connects.
        _app.runner()
        _ = _app.store
    # What lives now lives as long as the children: their collectors need not touch it, so its pages stay shared.
    gc.collect()
    gc.freeze()
