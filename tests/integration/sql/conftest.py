"""SQL stores on real servers."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from conftest import POSTGRESQL, sql_database
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.sql import SqlStore, connect
from umbel.runtime.clock import SYSTEM


class Kit:
    """One database, its stores, and a connection beside them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stores: list[SqlStore] = []
        self.engine = sa.create_engine(url.removeprefix("db+"), isolation_level="AUTOCOMMIT")

    def store(self, url: str = "", *, database=None, **options) -> SqlStore:
        """Open a store; ``database`` holds the ``database_*`` settings."""
        store = connect(StoreOptions(url=url or self.url, transport={"database": database or {}}, **options))
        self.stores.append(store)
        return store

    def execute(self, statement, values=None):
        with self.engine.connect() as connection:
            found = connection.execute(sa.text(statement), values or {})
            return found.all() if found.returns_rows else None

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self.engine.dispose()


def new() -> str:
    return uuid7(SYSTEM.now())


def record(task_id, status="SUCCESS", result=None, **fields) -> Record:
    fields.setdefault("date_done", "2999-01-01T00:00:00+00:00")
    return Record(task_id=task_id, status=status, result=result, **fields)


@pytest.fixture(
    params=[pytest.param("postgresql", marks=pytest.mark.postgresql), pytest.param("mariadb", marks=pytest.mark.mariadb), "sqlite"]
)
def kit(request, tmp_path):
    """Each kind of database."""
    url = f"db+sqlite:///{tmp_path}/results.db" if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_url")
    kit = Kit(url)
    yield kit
    kit.close()


@pytest.fixture
def postgresql():
    """A fresh database on PostgreSQL."""
    with sql_database(POSTGRESQL) as url:
        kit = Kit(url)
        yield kit
        kit.close()
