"""Results in an SQL database, in Celery's tables: PostgreSQL, MySQL and MariaDB, SQLite, and what else SQLAlchemy knows."""

from umbel.results.sql.store import SqlStore, connect

__all__ = ["SqlStore", "connect"]
