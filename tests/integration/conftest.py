"""What tests of one broker or store share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .broken_line import Line


@pytest.fixture
def line(rabbitmq_url: str) -> Iterator[Line]:
    """A line to RabbitMQ that can be cut; ``line.url`` leads through it."""
    with Line.to(rabbitmq_url) as made:
        yield made
