"""Umbel in programs of FastAPI and Starlette: lifespan, dependencies in tasks, progress as server-sent events, and tasks over HTTP."""

from umbel.contrib.fastapi.dependencies import inject
from umbel.contrib.fastapi.endpoints import task_endpoints
from umbel.contrib.fastapi.events import progress_stream
from umbel.contrib.fastapi.lifespan import lifespan_of

__all__ = ["inject", "lifespan_of", "progress_stream", "task_endpoints"]
