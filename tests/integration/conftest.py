"""What tests of one broker or store share."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from .broken_line import Line


@pytest.fixture
def line(rabbitmq_url: str) -> Iterator[Line]:
    """A line to RabbitMQ that can be cut; ``line.url`` leads through it."""
    parts = urlsplit(rabbitmq_url)
    with Line((parts.hostname or "127.0.0.1", parts.port or 5672)) as made:
        made.url = rabbitmq_url.replace(parts.netloc.rpartition("@")[2], f"127.0.0.1:{made.port}")
        yield made
