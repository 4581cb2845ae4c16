"""The interface for programs: resources of our own, those of Flower under their own paths, metrics."""

from __future__ import annotations

from starlette.routing import Route

from umbel.dashboard.actions.all import ACTIONS
from umbel.dashboard.api import flower, metrics, reference, resources

ROUTES: list[Route] = [*reference.ROUTES, *resources.ROUTES, *(action.for_programs for action in ACTIONS), *flower.ROUTES, *metrics.ROUTES]
