"""A broker in the database of this session, and one in a database that may be emptied."""

from __future__ import annotations

import psycopg
import pytest

from umbel.testing.brokers import BrokerKit


def plain(url: str) -> str:
    """The URL as libpq reads it."""
    return url.removeprefix("db+").replace("+psycopg", "")


@pytest.fixture
def url(postgresql_url):
    return plain(postgresql_url)


@pytest.fixture
def kit(url):
    with BrokerKit("postgresql", url) as made:
        yield made


@pytest.fixture
def sql(url):
    """Runs a statement past the broker; returns how many rows it was about."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda statement, *values: connection.execute(statement, values).rowcount
