"""Commands of remote control of an app's own, and a task that may be aborted, for workers that include this module."""

import time
from pathlib import Path

from umbel import shared_task
from umbel.contrib.abortable import AbortableTask
from umbel.control import control_command, inspect_command


@control_command(args=[("n", int)], signature="[N=1]")
def double(state, n=1):
    """Double a number."""
    return {"ok": 2 * n, "node": state.hostname}


@inspect_command(variadic="words")
async def prefetched(state, words=()):
    """Show how many messages are fetched ahead."""
    return {"prefetched": state.prefetch.allowed, "words": list(words)}


@shared_task(base=AbortableTask, bind=True, name="until_aborted")
def until_aborted(self, path):
    """Touch a file, then work until somebody asks for the end."""
    Path(path).touch()
    while not self.is_aborted():
        time.sleep(0.05)
    return "aborted"
