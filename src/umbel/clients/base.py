"""The common part of connections to all servers: how to reach one, and the states of a connection that comes back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """The way to a server."""

    #: In the order in which they are tried.
    urls: tuple[str, ...]
    #: Seconds to connect to one of them, handshake included.
    connect_timeout: float = 4.0
    #: AMQP heartbeat of consumers, seconds; 0 is off.
    heartbeat: float = 60.0
    #: ``True``, or keyword arguments as for ``ssl.SSLContext.wrap_socket`` (``ca_certs``, ``certfile``, ``keyfile``, ``cert_reqs``, …).
    ssl: bool | Mapping[str, Any] = False
    login_method: str | None = None
    #: round-robin or shuffle.
    failover: str = "round-robin"
    #: Attempts to connect before giving up; ``None`` is for ever.
    max_retries: int | None = 100
    #: Options of one kind of server, Celery's names.
    transport: Mapping[str, Any] = field(default_factory=dict)
    #: Shown in the server's own list of connections.
    name: str = "umbel"


class ConnectionState(enum.Enum):
    """States of a connection, as its owner tells of them."""

    CONNECTED = "connected"
    LOST = "lost"
    RETRYING = "retrying"
