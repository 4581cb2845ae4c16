"""Progress and result of a task as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse

from umbel import states
from umbel.contrib.fastapi.views import seen
from umbel.runtime.clock import SYSTEM

#: Seconds between two looks, and between two lines that only keep the connection open.
_LOOK: Final = 0.2
_QUIET: Final = 15.0
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def progress_stream(result: Any, *, interval: float = _LOOK, show_error: bool = True) -> StreamingResponse:
    """Answer with a stream of events: ``progress`` whenever state or progress change, then one ``end`` with the result, and it is over.

    The page that goes away ends the stream. In the page: ``new EventSource(url).addEventListener("progress", …)``.

    Args:
        result: the `AsyncResult`.
        interval: seconds between two looks at the result store.
        show_error: what the task raised is in the last event.
    """
    return StreamingResponse(_events(result, interval, show_error=show_error), media_type="text/event-stream", headers=_HEADERS)


async def _events(result: Any, interval: float, *, show_error: bool) -> AsyncIterator[str]:
    last, told = None, SYSTEM.monotonic()
    while True:
        now = await asyncio.to_thread(seen, result, show_error=show_error)
        is_over = now["state"] in states.READY_STATES or now["state"] in ("EXPIRED", "UNKNOWN")
        if now != last or is_over:
            yield f"event: {'end' if is_over else 'progress'}\ndata: {json.dumps(now, default=str)}\n\n"
            last, told = now, SYSTEM.monotonic()
        elif SYSTEM.monotonic() - told > _QUIET:
            yield ": still here\n\n"
            told = SYSTEM.monotonic()
        if is_over:
            return
        await asyncio.sleep(interval)
