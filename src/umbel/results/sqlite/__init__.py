"""Results in a SQLite file: one row for each task."""

from umbel.results.sqlite.store import SqliteStore, connect

__all__ = ["SqliteStore", "connect"]
