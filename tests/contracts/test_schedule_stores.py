"""The contract on every store of schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from umbel.beat.stores.base import ScheduleStore
from umbel.beat.stores.memory import MemoryScheduleStore
from umbel.testing.schedule_stores import TestClaims, TestEntries, TestLease, TestRuns

__all__ = ["TestClaims", "TestEntries", "TestLease", "TestRuns"]


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("redis", marks=pytest.mark.redis),
        "sqlalchemy-sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def make(request: pytest.FixtureRequest, tmp_path, unique) -> Iterator[Callable[[], ScheduleStore]]:
    """A function that makes one more object for the store under test."""
    made: list[ScheduleStore] = []
    memory = MemoryScheduleStore()
    name = request.param
    schema_url = f"db+sqlite:///{tmp_path}/schedules.db"
    if name in ("postgresql", "mariadb"):
        schema_url = request.getfixturevalue(f"{name}_url")
        empty(schema_url)
    prefix = unique("schedules") + ":"

    def make_one() -> ScheduleStore:
        if name == "memory":
            return memory
        if name == "sqlite":
            from umbel.beat.stores.sqlite import SqliteScheduleStore

            made.append(SqliteScheduleStore(f"{tmp_path}/schedules.db"))
        elif name == "redis":
            from umbel.beat.stores.redis import RedisScheduleStore

            made.append(RedisScheduleStore(request.getfixturevalue("redis_url"), transport={"global_keyprefix": prefix}))
        else:
            from umbel.beat.stores.sql import SqlScheduleStore

            made.append(SqlScheduleStore(schema_url))
        return made[-1]

    yield make_one
    for store in made:
        store.close()


def empty(url: str) -> None:
    """Drop the tables of the test before."""
    import sqlalchemy as sa

    from umbel.beat.stores.sql_tables import tables_of
    from umbel.clients.sql.addresses import url_of

    engine = sa.create_engine(url_of(url))
    tables_of(None).metadata.drop_all(engine)
    engine.dispose()
