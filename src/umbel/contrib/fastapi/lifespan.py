"""The lifespan of a program: what was sent is flushed when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

Lifespan = Callable[[Any], contextlib.AbstractAsyncContextManager[Any]]


def lifespan_of(app: Any, inner: Lifespan | None = None) -> Lifespan:
    """Make the lifespan of a FastAPI or Starlette program: ``FastAPI(lifespan=lifespan_of(app))``.

    Args:
        app: the Umbel app; the current one while the program runs. It is flushed and disconnected at the end, without holding up the event loop.
        inner: the program's own lifespan, which begins after this one and ends before.
    """

    @contextlib.asynccontextmanager
    async def lifespan(program: Any) -> AsyncIterator[Any]:
        app.set_default()
        try:
            async with contextlib.nullcontext() if inner is None else inner(program) as state:
                yield state
        finally:
            await asyncio.to_thread(app.close)

    return lifespan
