"""Addresses of PostgreSQL: ``postgresql://user:password@host:5432/database``, as libpq reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict

from umbel.clients.base import ConnectionOptions
from umbel.clients.urls import masked
from umbel.errors import ImproperlyConfigured

#: A connection that is silent for so many seconds is asked whether it is there, so often, so many seconds apart.
_KEEPALIVES: Final = {"keepalives": 1, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 4}
_EXPECTED: Final = "expected e.g. postgresql://user:password@host:5432/database"
#: Words of ``broker_use_ssl`` and what libpq calls them.
_TLS: Final = {"ca_certs": "sslrootcert", "certfile": "sslcert", "keyfile": "sslkey", "ciphers": ""}


@dataclass(frozen=True, slots=True)
class Address:
    """One server and database, and how to connect."""

    #: Keywords of libpq.
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, url: str, options: ConnectionOptions) -> Address:
        """Read a URL.

        Args:
            url: ``postgresql://…`` or ``postgres://…``, with libpq's options in its query (``sslmode``, ``options``, ``target_session_attrs``).
            options: of the connection.

        Raises:
            ImproperlyConfigured: it cannot be read; the text never holds the password.
        """
        scheme, _, rest = url.partition("://")
        try:
            found = conninfo_to_dict(f"postgresql://{rest}")
        except Error:  # its text holds the URL
            raise ImproperlyConfigured(f"the URL {scheme}://{masked(rest)} cannot be read: {_EXPECTED}") from None
        defaults: dict[str, Any] = {"application_name": options.name[:63], "client_encoding": "utf8", **_KEEPALIVES, **_tls(options.ssl)}
        return cls({**defaults, **found, "connect_timeout": max(2, round(options.connect_timeout))})

    def public(self) -> str:
        """Write the URL without its password and options, fit for logs."""
        found = self.parameters
        user = f"{found['user']}@" if found.get("user") else ""
        host = str(found.get("host") or "")
        place = f"[{host}]" if ":" in host else host.replace("/", "%2F")
        port = f":{found['port']}" if found.get("port") else ""
        return f"postgresql://{user}{place}{port}/{found.get('dbname') or ''}"

    def without_password(self, text: str) -> str:
        """Take the password out of what a server or library says.

        Args:
            text: of an error.
        """
        password = str(self.parameters.get("password") or "")
        return text.replace(password, "***") if len(password) > 3 else text


def addresses_of(options: ConnectionOptions) -> list[Address]:
    """Read all URLs of a failover list.

    Args:
        options: of the connection.

    Raises:
        ImproperlyConfigured: one cannot be read.
    """
    return [Address.of(url, options) for url in options.urls]


def _tls(given: bool | Mapping[str, Any]) -> dict[str, Any]:
    if not given:
        return {}
    if given is True:
        return {"sslmode": "require"}
    unknown = sorted(set(given) - {*_TLS, "cert_reqs", "check_hostname", "server_hostname"})
    if unknown:
        raise ImproperlyConfigured(f"broker_use_ssl: {unknown[0]!r} means nothing to PostgreSQL: expected {', '.join(_TLS)}")
    found = {_TLS[word]: value for word, value in given.items() if _TLS.get(word)}
    return {"sslmode": "verify-full" if "sslrootcert" in found else "require", **found}
