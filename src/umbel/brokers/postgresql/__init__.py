"""A broker in a PostgreSQL database. Its tables and functions are in `umbel.clients.postgresql`; why they are as they are is in docs/design/0027."""

import umbel.clients.postgresql  # noqa: F401 - first, because it says what is missing
from umbel.brokers.postgresql.broker import PostgresqlBroker, connect

__all__ = ["PostgresqlBroker", "connect"]
