"""The stream of an open page: what has changed, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from umbel.dashboard.web.desk import desk_of

#: Streams at a time; a page beyond these looks again by itself.
MOST = 1_000


async def stream(request: Request) -> Response:
    """Tell a page what changes, until it is closed."""
    changes = desk_of(request).monitor.changes
    if len(changes) >= MOST:
        return PlainTextResponse("Too many pages are open.\n", 503, {"retry-after": "30"})

    async def lines() -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        async for topics in changes.listen():
            yield f"event: changed\ndata: {' '.join(sorted(topics))}\n\n" if topics else ": still here\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


ROUTES = [Route("/stream", stream)]
