"""Commands about the memory of a worker's consumer process."""

from __future__ import annotations

import importlib
import os
import tempfile
from typing import Any, Final

from umbel.control.commands import inspect_command
from umbel.worker.remote.arguments import text, whole
from umbel.worker.remote.facade import WorkerFacade
from umbel.worker.slots.limits import resident

#: Samples that are kept.
_MOST: Final = 1000


@inspect_command
async def memsample(state: WorkerFacade, **_: Any) -> str | None:
    """Note the memory that is used now."""
    used = resident(os.getpid())
    if not used:
        return None  # the system does not tell
    state.memory_samples.append(used)
    del state.memory_samples[:-_MOST]
    return _written(used)


@inspect_command(args=[("samples", int)], signature="[SAMPLES=10]")
async def memdump(state: WorkerFacade, samples: Any = 10, **_: Any) -> str:
    """Show what memsample has noted."""
    most = whole("samples", samples, 1, _MOST)
    lines = [f"- rss (sample): {_written(used)}." for used in state.memory_samples[-most:]]
    state.memory_samples.clear()
    now = resident(os.getpid())
    return "\n".join([*lines, f"- rss (end): {_written(now)}." if now else "- rss: not known on this system.", ""])


@inspect_command(
    args=[("type", str), ("num", int), ("max_depth", int)], signature="[TYPE=Request [NUM=200 [DEPTH=10]]]", default_timeout=60.0
)
def objgraph(state: WorkerFacade, num: Any = 200, max_depth: Any = 10, type: Any = "Request", **_: Any) -> dict[str, str]:
    """Draw what keeps objects in memory, into a file; needs the library objgraph."""
    del state
    try:
        library = importlib.import_module("objgraph")
    except ImportError:
        raise ImportError("Requires the objgraph library") from None
    objects = library.by_type(text("type", type))[: whole("num", num, 1, 10_000)]
    with tempfile.NamedTemporaryFile(prefix="umbel-objgraph-", suffix=".png", delete=False) as file:
        library.show_backrefs(
            objects, max_depth=whole("max_depth", max_depth, 1, 100), highlight=lambda each: each in objects, filename=file.name
        )
        return {"filename": file.name}


def _written(used: int) -> str:
    return f"{used / 1024:.3f}MB"
