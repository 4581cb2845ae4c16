"""Messages in MariaDB or MySQL, by SQLAlchemy: rows that are claimed by ``SKIP LOCKED`` under leases, looked for again and again."""

from umbel.brokers.mysql.broker import connect

__all__ = ["connect"]
