"""The contracts on the stores in a Django project's database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import django_project
from umbel.beat.stores.base import ScheduleStore
from umbel.testing.result_stores import (
    StoreKit,
    TestCheckpoints,
    TestClaims,
    TestCounting,
    TestRecords,
    TestRevocations,
    TestShared,
    TestTrees,
    TestWaiting,
)
from umbel.testing.schedule_stores import TestClaims as TestSlots
from umbel.testing.schedule_stores import TestEntries, TestLease, TestRuns

__all__ = [
    "TestCheckpoints", "TestClaims", "TestCounting", "TestEntries", "TestLease", "TestRecords", "TestRevocations", "TestRuns", "TestShared", "TestSlots",
    "TestTrees", "TestWaiting",
]  # fmt: skip


@pytest.fixture(scope="module", params=["default", pytest.param("server", marks=pytest.mark.postgresql)])
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of the project: SQLite, or PostgreSQL."""
    with django_project.installed():
        if request.param == "server":
            django_project.add_server(request.getfixturevalue("postgresql_url"))
        yield request.param


@pytest.fixture
def kit(alias: str) -> Iterator[StoreKit]:
    with StoreKit("django-db", f"django-db://{alias}") as made:
        yield made


@pytest.fixture
def make(alias: str) -> Callable[[], ScheduleStore]:
    """A function that makes one more object for the schedule store under test."""
    from umbel.contrib.django.models import PeriodicRun, PeriodicTask, ScheduleState
    from umbel.contrib.django.schedules.store import DatabaseScheduleStore

    for model in (PeriodicRun, PeriodicTask, ScheduleState):
        model.objects.using(alias).all().delete()
    return lambda: DatabaseScheduleStore(alias)
