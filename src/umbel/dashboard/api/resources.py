"""``/api/v1``: what the pages show, as JSON. A resource is a row of `RESOURCES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from umbel.beat.editing import NoSuchEntry
from umbel.cli.periodic.tables import entry_document, run_document
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.pages import dead as dead_page
from umbel.dashboard.pages import overview as overview_page
from umbel.dashboard.pages import tasks as tasks_page
from umbel.dashboard.pages import waiting as waiting_page
from umbel.dashboard.pages import workers as workers_page
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import desk_of
from umbel.errors import ImproperlyConfigured
from umbel.runtime.clock import SYSTEM

#: Tasks that one answer lists at most.
MOST: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that can be read."""

    path: str
    summary: str
    #: Finds it.
    find: Callable[[Monitor, Request], Any]
    #: Names of its query's parameters, with what they mean.
    query: tuple[tuple[str, str], ...] = ()
    #: It is a list.
    is_list: bool = False

    @property
    def route(self) -> Route:
        """The route to it."""
        return Route(f"/api/v1{self.path}", self._answer, name=f"api {self.path}")

    def _answer(self, request: Request) -> Response:
        return JSONResponse(self.find(desk_of(request).monitor, request))


def _overview(monitor: Monitor, _request: Request) -> Any:
    return {**overview_page.figures_of(monitor), "states": monitor.history.states(), "problem": monitor.listening.problem or None}


def _workers(monitor: Monitor, _request: Request) -> Any:
    return [{**asdict(row), "queues": monitor.asking.read.get(row.name, [])} for row in monitor.workers()]


def _worker(monitor: Monitor, request: Request) -> Any:
    name = request.path_params["node"]
    row = next((row for row in monitor.workers() if row.name == name), None)
    if row is None:
        raise HTTPException(404, f"there is no worker {name}")
    replies = monitor.answers.ask(f"worker {name}", 2.0, lambda: workers_page.asked(monitor, name))
    return {**asdict(row), **words.without_secrets(replies, monitor.options.hide)}


def _queues(monitor: Monitor, _request: Request) -> Any:
    monitor.asking.has_asked.wait(3.0)
    return [row.document() for row in monitor.asking.queues]


def _shown(run: dict[str, Any], monitor: Monitor) -> dict[str, Any]:
    """A run without what is ours alone, and without secrets."""
    kwargs = run.get("kwargs")
    return {
        **{name: value for name, value in run.items() if name != "number"},
        "kwargs": None if kwargs is None else words.hidden(kwargs, monitor.options.hide),
    }


def _tasks(monitor: Monitor, request: Request) -> Any:
    query, _, problem = tasks_page.query_of(request, limit=_limit(request))
    if problem is not None:
        raise ImproperlyConfigured(problem)
    page = monitor.history.search(query)
    return {
        "tasks": [_shown(run, monitor) for run in page.runs],
        "before": None if page.next is None else f"{page.next[0]!r}-{page.next[1]}",
    }


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "50")
    if not text.isdecimal() or not 1 <= int(text[:6]) <= MOST:
        raise ImproperlyConfigured(f"limit: expected a whole number from 1 to {MOST}, got {text[:20]!r}")
    return int(text)


def _task(monitor: Monitor, request: Request) -> Any:
    task_id = request.path_params["task_id"]
    run, (record, _) = monitor.history.run(task_id), tasks_page.record_of(monitor, task_id)
    if run is None and record is None:
        raise HTTPException(404, f"nothing is known of the task {task_id}")
    found = _shown(tasks_page.joined(run, record, task_id), monitor)
    found["attempts"] = monitor.history.attempts(task_id)
    found["children"] = [child["id"] for child in monitor.history.children(task_id)]
    return found


def _schedules(monitor: Monitor, _request: Request) -> Any:
    return [entry_document(entry, SYSTEM.now()) for entry in monitor.app.schedules.list()]


def _schedule(monitor: Monitor, request: Request) -> Any:
    name = request.path_params["entry"]
    try:
        entry = monitor.app.schedules.get(name)
    except NoSuchEntry as error:
        raise HTTPException(404, f"there is no periodic entry {name}") from error
    return {**entry_document(entry, SYSTEM.now()), "runs": [run_document(run) for run in monitor.app.schedules.history(name, 50)]}


def _waiting(monitor: Monitor, _request: Request) -> Any:
    return [_shown(row, monitor) for row in monitor.answers.ask("waiting", 2.0, lambda: waiting_page.rows_of(monitor))]


def _dead(monitor: Monitor, request: Request) -> Any:
    name = request.path_params["queue"]
    return monitor.answers.ask(f"dead letters of {name}", 3.0, lambda: dead_page.letters_of(monitor, [name]))[name]


def _series(monitor: Monitor, request: Request) -> Any:
    return monitor.history.series(overview_page.span_of(request), request.query_params.get("task") or None)


def _autoscale(monitor: Monitor, request: Request) -> Any:
    """For KEDA's metrics-api scaler: how much there is to do, beside how much can be done."""
    name = request.query_params.get("queue")
    rows = [row for row in monitor.asking.queues if name is None or row.queue == name]
    readers = {node for node, queues in monitor.asking.read.items() if name is None or name in queues}
    workers = [row for row in monitor.workers() if row.alive and (name is None or row.name in readers)]
    ready, active = sum(row.ready or 0 for row in rows), sum(row.active or 0 for row in workers)
    capacity = sum(row.slots or 0 for row in workers)
    ages = [row.oldest for row in rows if row.oldest is not None]
    return {
        "ready": ready,
        "delayed": sum(row.delayed or 0 for row in rows),
        "active": active,
        "capacity": capacity,
        "utilization": active / capacity if capacity else None,
        "demand": (ready + active) / capacity if capacity else float(ready + active),
        "oldest_age_s": max(ages, default=None),
        "workers": len(workers),
    }


_SEARCH: Final = (
    ("q", "a search, as in the page of tasks"), ("state", "FAILURE, …"), ("name", "of the task"), ("worker", "its name"), ("queue", "its name"),
    ("limit", f"1 to {MOST}"), ("before", "where the page before has ended"),
)  # fmt: skip
RESOURCES: Final = (
    Resource(path="/overview", summary="The fleet now, summed up", find=_overview),
    Resource(path="/workers", summary="All workers", find=_workers, is_list=True),
    Resource(path="/workers/{node}", summary="One worker, and what it replies", find=_worker),
    Resource(path="/queues", summary="All queues", find=_queues, is_list=True),
    Resource(path="/tasks", summary="Tasks that a search finds, the newest first", find=_tasks, query=_SEARCH),
    Resource(path="/tasks/{task_id}", summary="One task", find=_task),
    Resource(path="/schedules", summary="All periodic entries", find=_schedules, is_list=True),
    Resource(path="/schedules/{entry}", summary="One periodic entry, and its runs", find=_schedule),
    Resource(path="/scheduled", summary="Tasks that wait for their time", find=_waiting, is_list=True),
    Resource(path="/dead/{queue}", summary="Dead letters of a queue", find=_dead, is_list=True),
    Resource(
        path="/series",
        summary="Figures over time, a list for each",
        find=_series,
        query=(("span", "1h, 24h or 30d"), ("task", "the name of one")),
    ),
    Resource(
        path="/autoscale", summary="What there is to do beside what can be done, for KEDA", find=_autoscale, query=(("queue", "one queue"),)
    ),
    Resource(path="/audit", summary="Who did what", find=lambda monitor, _: monitor.audit.latest(), is_list=True),
)


ROUTES = [resource.route for resource in RESOURCES]
