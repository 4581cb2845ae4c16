"""Children come, die and are replaced."""

from __future__ import annotations

import os
import signal

import pytest

from umbel.pools import template
from umbel.worker.options import WorkerOptions
from umbel.worker.slots import seating

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork server")


def test_whatever_starts_a_template_has_it_load_the_app_and_be_deaf_to_a_stop(monkeypatch):
    """A template that has just been killed may be found dead by `Process.start` only."""
    seen = []

    class Seat:
        def __init__(self, *_):
            seen.append((template.TEMPLATE.app_path, signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())))

    monkeypatch.setattr(seating, "ChildSeat", Seat)
    seating.PreforkSeating(WorkerOptions(), "proj:app", "w").open(None, 2)
    assert seen == [("proj:app", True)] * 2
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
