"""The contract on somebody else's result store, as its own package would run it."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from umbel.results import memory
from umbel.results.base import ResultStore, StoreOptions
from umbel.testing.result_stores import StoreKit, TestExpiry, TestPushing, TestRecords, TestShared, TestWaiting

__all__ = ["TestExpiry", "TestPushing", "TestRecords", "TestShared", "TestWaiting"]


def connect(options: StoreOptions) -> ResultStore:
    """A store of our own: another scheme in front of records in memory."""
    return memory.connect(replace(options, url=options.url.replace("own://", "memory://")))


@pytest.fixture
def kit():
    with StoreKit("own", f"own:///{uuid.uuid4().hex}", connect=connect) as kit:
        yield kit
