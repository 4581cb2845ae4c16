"""The price that a database pays: transactions a second of an idle worker (a notification counts as one for each who hears it), and the size of the table over rounds of N tasks. PostgreSQL only."""

from __future__ import annotations

import time

import psycopg
from staging import BROKERS, Setting, Worker

ROUNDS = 10
_COMMITS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
_SIZE = "SELECT pg_total_relation_size('umbel_messages')"


def run(setting: Setting, count: int) -> dict:
    if setting.broker != "postgresql":
        raise RuntimeError("has no tables")
    setting.reset()
    row: dict[str, float] = {}
    sizes = []
    setting.client("publish", 1)
    with psycopg.connect(BROKERS["postgresql"], autocommit=True) as connection, Worker(setting) as worker:
        done, _, _ = worker.wait(1)
        time.sleep(45)  # until it is quiet
        before, begun = _number(connection, _COMMITS), time.monotonic()
        time.sleep(20)
        row["idle_transactions_per_s"] = round((_number(connection, _COMMITS) - before - 1) / (time.monotonic() - begun), 2)
        for _ in range(ROUNDS):
            setting.client("publish_many", count)
            done += count
            worker.wait(done, timeout=600)
            sizes.append(_number(connection, _SIZE) / 1e6)
    row |= {
        "tasks": done,
        "mb_after_1": round(sizes[0], 1),
        "mb_after_half": round(sizes[ROUNDS // 2], 1),
        "mb_at_end": round(sizes[-1], 1),
    }
    return row


def _number(connection: psycopg.Connection, query: str) -> float:
    row = connection.execute(query.encode()).fetchone()
    return float(row[0]) if row else 0.0
