"""A broker in an SQLite file: what one machine needs, with no server. See `umbel.clients.sqlite.database` for what a commit promises."""

from umbel.brokers.sqlite.broker import SqliteBroker, connect

__all__ = ["SqliteBroker", "connect"]
