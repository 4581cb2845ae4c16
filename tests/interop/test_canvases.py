"""Celery still comes to what was recorded of it: some canvases of each kind."""

from __future__ import annotations

import pytest

from interop.canvases import golden
from interop.canvases.catalogue import SAMPLE
from interop.canvases.running import outcomes
from system.conftest import database


@pytest.mark.redis
@pytest.mark.rabbitmq
def test_the_recorded_outcomes_are_those_of_celery(request, rabbitmq_url, tmp_path):
    recorded = golden.celery("rabbitmq")
    found = outcomes("celery", rabbitmq_url, database(request, 6), tmp_path, SAMPLE)
    assert found == {name: recorded[name] for name in SAMPLE}
