"""The contract on somebody else's lease store, as its own package would run it."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from umbel.leases import memory
from umbel.leases.base import LeaseOptions, LeaseStore
from umbel.testing.lease_stores import LeaseKit, TestCounted, TestLeases, TestTurns

__all__ = ["TestCounted", "TestLeases", "TestTurns"]


def connect(options: LeaseOptions) -> LeaseStore:
    """A store of our own: another scheme in front of leases in memory."""
    return memory.connect(replace(options, url=options.url.replace("own://", "memory://")))


@pytest.fixture
def kit():
    with LeaseKit("own", f"own:///{uuid.uuid4().hex}", connect=connect) as kit:
        yield kit
