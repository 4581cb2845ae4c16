"""The description of the interface, for readers; ``make docs`` writes it to ``docs/reference/dashboard-openapi.json``."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from umbel.dashboard.api import openapi
from umbel.dashboard.api.resources import RESOURCES


def description(_request: Request) -> Response:
    """Describe the interface."""
    return JSONResponse(openapi.document(RESOURCES))


def text() -> str:
    """Return the description as the file in the docs has it."""
    return json.dumps(openapi.document(RESOURCES), indent=1, ensure_ascii=False) + "\n"


ROUTES = [Route("/api/v1/openapi.json", description)]
