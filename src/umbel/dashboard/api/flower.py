"""Flower's paths (2.x), for programs that speak to it: the same names, arguments and forms of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from umbel import states
from umbel.dashboard.api import flower_tasks as shapes
from umbel.dashboard.history.query import Query
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.security.people import Role
from umbel.dashboard.web import words
from umbel.dashboard.web.acting import Refused, document_of, told
from umbel.dashboard.web.desk import desk_of, visitor_of
from umbel.errors import TimeoutError, UmbelError

#: Questions to workers that Flower puts together.
_ASKED: Final = ("stats", "active_queues", "registered", "scheduled", "active", "reserved", "revoked", "conf")
#: Seconds that workers may take to answer.
_PATIENCE: Final = 5.0
#: Seconds that a call waits for its result at most.
_LONGEST: Final = 60.0


def workers(request: Request) -> Response:
    """Describe the workers; with ``status``, say which are there."""
    monitor, given = desk_of(request).monitor, request.query_params
    rows = monitor.workers()
    name = given.get("workername")
    if given.get("status"):
        return JSONResponse({row.name: row.alive for row in rows})
    if name and all(row.name != name for row in rows):
        raise HTTPException(404, f"Unknown worker '{name}'")
    found: dict[str, dict[str, Any]] = {row.name: {} for row in rows if row.alive and name in (None, "", row.name)}
    for question in _ASKED:
        replies = monitor.answers.ask(f"flower {question} {name}", 2.0, lambda asked=question: _ask(monitor, asked, name))  # type: ignore[misc]
        if not replies:
            break  # who does not answer one question does not answer the others
        for node, reply in replies.items():
            if node in found:
                found[node][question] = words.without_secrets(reply, monitor.options.hide)
    for node, described in found.items():
        known = monitor.state.workers.get(node)
        described["timestamp"] = known.heartbeats[-1] if known is not None and known.heartbeats else None
    return JSONResponse(found)


def _ask(monitor: Monitor, question: str, name: str | None) -> dict[str, Any]:
    to = [name] if name else None
    replies = monitor.app.control.broadcast(
        question, destination=to, reply=True, timeout=_PATIENCE, limit=1 if name else monitor.fleet.alive or None
    )
    return {node: reply for each in replies or [] for node, reply in each.items()}


def lengths(request: Request) -> Response:
    """Tell how many messages wait in each queue."""
    return JSONResponse(
        {"active_queues": [{"name": row.queue, "messages": row.ready or 0} for row in desk_of(request).monitor.asking.queues]}
    )


def tasks(request: Request) -> Response:
    """List tasks by id."""
    monitor, given = desk_of(request).monitor, request.query_params
    limit, offset = _number(given.get("limit"), 1_000), _number(given.get("offset"), 0)
    wanted = tuple((given.get("search") or "").split()[:20])
    query = Query(
        state=given.get("state") or "",
        name=given.get("taskname") or "",
        worker=given.get("workername") or "",
        words=wanted,
        limit=limit + offset,
    )
    runs = monitor.history.search(query).runs[offset:]
    return JSONResponse({run["id"]: shapes.task_dict(monitor, monitor.history.run(run["id"]) or run) for run in runs})


def _number(text: str | None, usual: int) -> int:
    return min(int(text[:6]), 10_000) if text and text.isdecimal() else usual


def types(request: Request) -> Response:
    """List the names of tasks that were seen."""
    return JSONResponse({"task-types": desk_of(request).monitor.history.names()})


def info(request: Request) -> Response:
    """Tell all that events have told of a task."""
    monitor, task_id = desk_of(request).monitor, request.path_params["task_id"]
    run = monitor.history.run(task_id)
    if run is None:
        raise HTTPException(404, f"Unknown task '{task_id}'")
    return JSONResponse(shapes.task_dict(monitor, run))


def result(request: Request) -> Response:
    """Tell the result of a task; with ``timeout``, wait for it so many seconds."""
    monitor, task_id = desk_of(request).monitor, request.path_params["task_id"]
    handle = monitor.app.AsyncResult(task_id)
    if seconds := _seconds(request.query_params.get("timeout")):
        _await(handle, seconds)
    return JSONResponse(shapes.result_dict(handle, task_id))


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, min(float(text or 0), _LONGEST))
    except ValueError:
        return 0.0


def _await(handle: Any, seconds: float) -> None:
    try:
        handle.get(timeout=seconds, propagate=False)
    except TimeoutError:
        return


Doing = Callable[[Monitor, str, Mapping[str, str], dict[str, Any]], dict[str, Any]]


def _post(path: str, name: str, role: Role, do: Doing) -> Route:
    """Make the route of something that is done; it is kept in the audit log."""

    async def answer(request: Request) -> Response:
        desk, visitor = desk_of(request), visitor_of(request)
        subject = str(next(iter(request.path_params.values())))
        try:
            if not visitor.may(role):
                raise HTTPException(403, f"this needs the role {role.name.lower()}")
            body = await document_of(request)
            found = await run_in_threadpool(do, desk.monitor, subject, request.query_params, body)
            status, outcome = 200, str(found.get("message") or found.get("task-id") or "done")
        except Refused as error:
            found, status, outcome = {"message": str(error)}, 403, f"not done: {error}"
        except UmbelError as error:
            found, status, outcome = {"message": str(error)}, 400, f"not done: {error}"
        who = visitor.person.name if visitor.person else "nobody"
        await run_in_threadpool(desk.monitor.audit.note, who, visitor.address, name, subject, dict(request.query_params), outcome)
        desk.monitor.answers.forget("")
        return JSONResponse(found, status)

    return Route(path, answer, methods=["POST"])


def _tell(monitor: Monitor, node: str | None, command: str, arguments: Mapping[str, Any], done: str) -> dict[str, Any]:
    replies = monitor.app.control.broadcast(
        command,
        arguments,
        destination=[node] if node else None,
        reply=True,
        timeout=_PATIENCE,
        limit=1 if node else monitor.fleet.alive or None,
    )
    try:
        told(replies, "")
    except Refused as error:
        raise Refused(f"Failed to {command.replace('_', ' ')}: {error}") from error
    return {"message": done}


def _shutdown(monitor: Monitor, node: str, _given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
    monitor.app.control.shutdown(destination=[node])
    return {"message": "Shutting down!"}


def _pool(command: str, *names: str) -> Doing:
    def do(monitor: Monitor, node: str, given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
        arguments = {name: _number(given.get(name), 1) for name in names}
        said = {
            "pool_grow": f"Growing '{node}' worker's pool by {arguments.get('n')}",
            "pool_restart": f"Restarting '{node}' worker's pool",
        }
        done = said.get(command) or (
            f"Shrinking '{node}' worker's pool by {arguments.get('n')}" if command == "pool_shrink" else f"Autoscaling '{node}' worker"
        )
        return _tell(monitor, node, command, arguments, done)

    return do


def _consumer(command: str, word: str) -> Doing:
    def do(monitor: Monitor, node: str, given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
        queue = given.get("queue") or ""
        if not queue:
            raise Refused("queue: its name is missing")
        return _tell(monitor, node, command, {"queue": queue}, f"{word} {queue}")

    return do


def _apply(how: str) -> Doing:
    def do(monitor: Monitor, name: str, _given: Mapping[str, str], body: dict[str, Any]) -> dict[str, Any]:
        args, kwargs, options = shapes.call_of(body)
        if how == "send-task":
            handle = monitor.app.send_task(name, args=args, kwargs=kwargs, **options)
        elif name not in monitor.app.tasks:
            raise HTTPException(404, f"Unknown task '{name}'")
        else:
            try:
                handle = monitor.app.tasks[name].apply_async(args, kwargs, **options)
            except TypeError as error:
                raise Refused(str(error)) from error
        monitor.app.publisher.flush()
        if how != "apply":
            return {"task-id": handle.id, "state": handle.state if monitor.app.store is not None else states.PENDING}
        _await(handle, _LONGEST)
        return shapes.result_dict(handle, handle.id)

    return do


def _revoke(monitor: Monitor, task_id: str, given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
    ends = given.get("terminate", "").lower() in {"1", "true", "yes"}
    monitor.app.control.revoke(task_id, terminate=ends, signal=given.get("signal") or "SIGTERM")
    return {"message": f"Revoked '{task_id}'"}


def _rate(monitor: Monitor, task: str, given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
    arguments = {"task_name": task, "rate_limit": given.get("ratelimit") or "0"}
    return _tell(monitor, given.get("workername"), "rate_limit", arguments, "new rate limit set successfully")


def _timeout(monitor: Monitor, task: str, given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
    limits = {name: _seconds(given.get(name)) or None for name in ("soft", "hard")}
    return _tell(monitor, given.get("workername"), "time_limit", {"task_name": task, **limits}, "time limits set successfully")


ROUTES = [
    Route("/api/workers", workers),
    Route("/api/queues/length", lengths),
    Route("/api/tasks", tasks),
    Route("/api/task/types", types),
    Route("/api/task/info/{task_id:str}", info),
    Route("/api/task/result/{task_id:str}", result),
    _post("/api/worker/shutdown/{node:str}", "shut down worker", Role.ADMIN, _shutdown),
    _post("/api/worker/pool/restart/{node:str}", "restart pool", Role.OPERATOR, _pool("pool_restart")),
    _post("/api/worker/pool/grow/{node:str}", "grow pool", Role.OPERATOR, _pool("pool_grow", "n")),
    _post("/api/worker/pool/shrink/{node:str}", "shrink pool", Role.OPERATOR, _pool("pool_shrink", "n")),
    _post("/api/worker/pool/autoscale/{node:str}", "autoscale", Role.OPERATOR, _pool("autoscale", "min", "max")),
    _post("/api/worker/queue/add-consumer/{node:str}", "add consumer", Role.OPERATOR, _consumer("add_consumer", "add consumer")),
    _post(
        "/api/worker/queue/cancel-consumer/{node:str}",
        "cancel consumer",
        Role.OPERATOR,
        _consumer("cancel_consumer", "no longer consuming from"),
    ),
    _post("/api/task/apply/{name:str}", "send task", Role.ADMIN, _apply("apply")),
    _post("/api/task/async-apply/{name:str}", "send task", Role.ADMIN, _apply("async-apply")),
    _post("/api/task/send-task/{name:str}", "send task", Role.ADMIN, _apply("send-task")),
    _post("/api/task/revoke/{task_id:str}", "revoke task", Role.OPERATOR, _revoke),
    _post("/api/task/abort/{task_id:str}", "abort task", Role.OPERATOR, shapes.abort),
    _post("/api/task/rate-limit/{task:str}", "rate limit", Role.OPERATOR, _rate),
    _post("/api/task/timeout/{task:str}", "time limit", Role.OPERATOR, _timeout),
]
