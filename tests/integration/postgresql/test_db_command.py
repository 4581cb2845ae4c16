"""``umbel db``."""

from __future__ import annotations

import json
import subprocess
import sys

import psycopg
import pytest

from conftest import POSTGRESQL, sql_database
from integration.postgresql.conftest import plain

pytestmark = pytest.mark.postgresql


def umbel(*words):
    return subprocess.run([sys.executable, "-m", "umbel", *words], capture_output=True, text=True, timeout=60, check=False)


def test_the_tables_by_either_way_are_the_same():
    shown = umbel("db", "show-sql")
    with sql_database(POSTGRESQL) as first, sql_database(POSTGRESQL) as second:
        for url, ran in ((first, ["0001_messages.sql"]), (first, [])):
            assert json.loads(umbel("-b", plain(url), "db", "upgrade", "--json").stdout)["ran"] == ran
        with psycopg.connect(plain(second), autocommit=True) as connection:
            connection.execute(shown.stdout.encode())
        assert json.loads(umbel("-b", plain(second), "db", "upgrade", "--json").stdout)["ran"] == []
        query = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname LIKE 'umbel%'"
        found = []
        for url in (first, second):
            with psycopg.connect(plain(url)) as connection:
                found.append(connection.execute(query).fetchone())
        assert found[0] == found[1]
    refused = umbel("-b", "memory://", "db", "upgrade")
    assert refused.returncode == 2
    assert "has no tables to make" in refused.stderr
