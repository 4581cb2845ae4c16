"""The kit of our own brokers: it looks into Redis and SQLite past the broker."""

from __future__ import annotations

import contextlib
import sqlite3

from umbel.testing.brokers import BrokerKit


class OwnKit(BrokerKit):
    def leftovers(self) -> list[str]:
        """What subscribers and reply inboxes left in the broker."""
        if self.name == "redis":
            import redis

            with redis.Redis.from_url(self.url) as client:
                return [key.decode() for key in client.scan_iter(self.transport["global_keyprefix"] + "*")]
        if self.name == "sqlite":
            with contextlib.closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                names = "name IN ('umbel_messages', 'umbel_queues', 'umbel_bindings', 'umbel_holders')"
                tables = [name for (name,) in connection.execute(f"SELECT name FROM sqlite_master WHERE {names}")]
                return [f"{row} in {table}" for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
        if self.name == "postgresql":
            import psycopg

            with psycopg.connect(self.url) as connection:
                tables = ("umbel_messages", "umbel_queues", "umbel_bindings", "umbel_holders")
                return [f"{row} in {table}" for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
        return super().leftovers()
