"""The dashboard as an ASGI program: `make`."""

from __future__ import annotations

import contextlib
import logging
import mimetypes
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from umbel.cli.loading import LoadedApp
from umbel.dashboard.api import ROUTES as INTERFACE
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.options import DashboardOptions
from umbel.dashboard.pages import ROUTES as PAGES
from umbel.dashboard.security.checks import security_headers
from umbel.dashboard.web import rendering, streaming
from umbel.dashboard.web.desk import Desk, visitor_of
from umbel.dashboard.web.gate import Gate
from umbel.errors import OperationalError, UmbelError

logger: logging.Logger = logging.getLogger("umbel.dashboard")

#: Path below /static → file.
_STATIC: Final = {
    str(path.relative_to(rendering.HERE / "static").as_posix()): path
    for path in sorted((rendering.HERE / "static").rglob("*"))
    if path.suffix in {".css", ".js", ".svg"}
}


def make(app: Any, options: DashboardOptions | None = None, *, loaded: LoadedApp | None = None) -> Starlette:
    """Make the dashboard of an app. It watches from its lifespan's start to its end; where it is mounted, run that of `Starlette.router`.

    Args:
        app: an `umbel.Umbel`.
        options: how it is run. Without people or a proxy's header, whoever reaches it may do everything: leave that to the program around it.
        loaded: the app as the command line loads it.

    Raises:
        ImproperlyConfigured: the history file cannot be used.
    """
    options = options or DashboardOptions()
    monitor = Monitor(loaded or LoadedApp(app, app.import_path or None, {}), options)
    desk = Desk(monitor, options)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        monitor.start()
        try:
            yield
        finally:
            await run_in_threadpool(monitor.stop)

    made = Starlette(
        routes=[*PAGES, *INTERFACE, *streaming.ROUTES, Route("/static/{name:path}", static), Route("/healthcheck", healthcheck)],
        middleware=[Middleware(Gate, desk=desk)],
        exception_handlers={HTTPException: _failed, UmbelError: _failed, Exception: _failed},
        lifespan=lifespan,
    )
    made.state.desk = desk
    return made


async def static(request: Request) -> Response:
    """Serve a file that comes with the package; nothing else can be named."""
    path = _STATIC.get(request.path_params["name"])
    if path is None:
        return PlainTextResponse("There is no such file.\n", 404)
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"})


async def healthcheck(request: Request) -> Response:  # noqa: ARG001 - as the library calls it
    """Say that the process answers; it tells nothing else to whoever asks."""
    return PlainTextResponse("OK")


def _failed(request: Request, error: Exception) -> Response:
    """Answer a request that failed."""
    if isinstance(error, HTTPException):
        status, text = error.status_code, str(error.detail)
    elif isinstance(error, OperationalError):
        status, text = 503, str(error)
    elif isinstance(error, UmbelError):
        status, text = 400, str(error)
    else:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        status, text = 500, "This page failed; the dashboard's log says why."
    if "umbel.visitor" not in request.scope or request.url.path.startswith(f"{request.scope.get('root_path', '')}/api/"):
        return JSONResponse({"error": text}, status)
    answer = rendering.show(request, "error.html", status, code=status, text=text)
    if status == 500:  # it is made outside of the gate, which puts these on all others
        answer.headers.update(dict(security_headers(visitor_of(request).nonce)))
    return answer
