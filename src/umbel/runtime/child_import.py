"""A flag of this process: it imports the app only to run its tasks, as a worker's child or the template of its children.

A script that ends in ``app.worker_main()``, without asking whether it is the main program, is imported there, too. It must not run a worker
then: that one's children would import the script, and so on, until the machine is full. Celery's children are copies of the main process and
import nothing, so many such scripts are about.
"""

from __future__ import annotations

import sys


class _State:
    def __init__(self) -> None:
        self.is_for_child = False


_state = _State()


def begin_for_child() -> None:
    """Set the flag: from now on modules are imported for a child."""
    _state.is_for_child = True


def end_for_child() -> None:
    """Clear the flag: the app is loaded, and what runs from now on is tasks."""
    _state.is_for_child = False


def is_for_child() -> bool:
    """Report whether modules are being imported for a child, in which no worker may be run."""
    return _state.is_for_child or _is_spawned()


def _is_spawned() -> bool:
    """Report whether `multiprocessing` is importing the main program again, for a process that it has spawned."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and bool(getattr(process.current_process(), "_inheriting", False))
