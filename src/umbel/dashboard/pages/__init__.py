"""The pages. A page is a function of a request, in the file of its theme; `ROUTES` has them all."""

from __future__ import annotations

from starlette.routing import Route

from umbel.dashboard.pages import dead, login, overview, queues, schedules, sending, tasks, upkeep, waiting, workers, workflow

ROUTES: list[Route] = [
    route
    for module in (overview, tasks, workflow, queues, workers, schedules, waiting, dead, sending, upkeep, login)
    for route in module.ROUTES
]
