"""Tasks over HTTP, for programs in other languages: send one, look at it, wait for it, follow it, revoke it. With OpenAPI, as all of FastAPI's routes."""

from __future__ import annotations

import asyncio
import fnmatch
import hmac
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from umbel.app.arguments.pydantic_models import check
from umbel.contrib.fastapi.events import progress_stream
from umbel.contrib.fastapi.views import seen
from umbel.errors import EncodeError, ImproperlyConfigured, OperationalError, QueueNotFound, TimeoutError

#: Seconds for which an answer waits for a result, at most; and for which an idempotency key is known, at least while its task has not ended.
_LONGEST_WAIT: Final = 30.0
_KEY_FOR: Final = 86400.0
_SHORTEST_TOKEN: Final = 16


class Call(BaseModel):
    """A call of a task."""

    model_config = ConfigDict(extra="forbid")

    args: list[Any] = Field(default_factory=list, description="Positional arguments.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Named arguments.")
    queue: str | None = Field(default=None, description="Name of the queue; else as the task and the routes say.")
    priority: int | None = Field(default=None, ge=0, le=255)
    countdown: float | None = Field(default=None, ge=0, description="Seconds from now: not before.")
    eta: datetime | None = Field(default=None, description="Not before this time.")
    expires: float | None = Field(default=None, gt=0, description="Seconds from now: not after.")


class Sent(BaseModel):
    """A call that the broker has."""

    id: str
    state: str = "PENDING"


class Seen(BaseModel):
    """A task as it stands."""

    id: str
    state: str
    progress: dict[str, Any] | None = None
    result: Any = None
    error: dict[str, str] | None = None


def task_endpoints(
    app: Any, tokens: str | Collection[str], *, tasks: Sequence[str] = ("*",), show_errors: bool = True, prefix: str = "/tasks"
) -> APIRouter:
    """Make the routes: ``program.include_router(task_endpoints(app, os.environ["TASKS_TOKEN"]))``.

    Args:
        app: the Umbel app.
        tokens: of those who may come in (``Authorization: Bearer …``), at least 16 characters each.
        tasks: names, or patterns such as ``shop.*``, of the tasks that may be sent; none but the app's.
        show_errors: tell clients what a task raised.
        prefix: of the routes.

    Raises:
        ImproperlyConfigured: there is no token, or a short one.
    """
    allowed = [tokens] if isinstance(tokens, str) else list(tokens)
    if not allowed or any(len(token) < _SHORTEST_TOKEN for token in allowed):
        raise ImproperlyConfigured(f"task_endpoints needs tokens of at least {_SHORTEST_TOKEN} characters, e.g. of secrets.token_urlsafe()")
    router = APIRouter(prefix=prefix, tags=["tasks"], dependencies=[Depends(_gate([token.encode() for token in allowed]))])

    @router.post("/{name}", status_code=202, summary="Send a task")
    async def send(name: str, call: Call, idempotency_key: Annotated[str | None, Header(max_length=200)] = None) -> Sent:
        return Sent(id=await _send(app, _known(app, name, tasks), call, idempotency_key))

    @router.get("/{task_id}", summary="Look at a task, or wait for it", response_model_exclude_none=True)
    async def look(task_id: str, wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="Seconds.")] = 0.0) -> Seen:
        result = app.AsyncResult(task_id)
        if wait:
            try:
                await result.aget(timeout=wait, propagate=False)
            except TimeoutError:
                pass
            except OperationalError as error:
                raise HTTPException(503, str(error)) from error
        try:
            return Seen(**await asyncio.to_thread(seen, result, show_error=show_errors))
        except OperationalError as error:
            raise HTTPException(503, str(error)) from error

    @router.get("/{task_id}/events", summary="Follow a task", response_class=StreamingResponse)
    async def follow(task_id: str) -> StreamingResponse:
        return progress_stream(app.AsyncResult(task_id), show_error=show_errors)

    @router.delete("/{task_id}", status_code=204, summary="Revoke a task that has not begun")
    async def revoke(task_id: str) -> Response:
        await asyncio.to_thread(app.control.revoke, task_id)
        return Response(status_code=204)

    return router


def _gate(tokens: Sequence[bytes]) -> Callable[..., None]:
    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]) -> None:
        shown = (given.credentials if given is not None else "").encode()
        if not [token for token in tokens if hmac.compare_digest(token, shown)]:  # all are compared, whichever fits
            raise HTTPException(401, "expected the header Authorization: Bearer TOKEN", headers={"WWW-Authenticate": "Bearer"})

    return check


def _known(app: Any, name: str, patterns: Sequence[str]) -> Any:
    task = app.tasks.get(name)
    if task is None or name.startswith(("celery.", "umbel.")) or not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
        raise HTTPException(404, f"there is no task {name}")
    return task


async def _send(app: Any, task: Any, call: Call, key: str | None) -> str:
    options = {name: value for name in ("queue", "priority", "countdown", "eta", "expires") if (value := getattr(call, name)) is not None}
    if options.get("queue") and options["queue"] not in app.queues:
        raise HTTPException(422, f"there is no queue {call.queue}")
    if key:
        options |= {
            "unique_key": f"http:{task.name}:{key}",
            "unique_for": _KEY_FOR,
            "unique_until": "finish",
            "unique_on_conflict": "return",
        }
    try:
        check(task.run, call.args, call.kwargs)
        result = await task.aapply_async(call.args, call.kwargs, **options)
    except (TypeError, ValueError, EncodeError, QueueNotFound) as error:
        raise HTTPException(422, str(error)) from error
    except (OperationalError, ImproperlyConfigured) as error:
        raise HTTPException(503, str(error)) from error
    return str(result.id)
