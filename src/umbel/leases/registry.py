"""From a URL to the lease store, by its scheme.

Schemes are entry points (group ``umbel.lease_stores``); the built-in ones are also listed here, so that a source tree works without being installed.
Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from umbel.errors import ImproperlyConfigured
from umbel.leases.base import LeaseOptions, LeaseStore, LeaseStoreFactory
from umbel.runtime import plugins

GROUP = "umbel.lease_stores"

_REDIS = "umbel.leases.redis:connect"
BUILT_IN: Mapping[str, str] = {
    **dict.fromkeys(("redis", "rediss", "redis+socket", "socket", "unix", "sentinel", "valkey", "valkeys"), _REDIS),
    "sqlite": "umbel.leases.sqlite:connect",
    "db": "umbel.leases.sql:connect",
    **dict.fromkeys(("memory", "cache+memory"), "umbel.leases.memory:connect"),
}


def connect(options: LeaseOptions) -> LeaseStore:
    """Make the store that a URL names, opening no connection.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: an unknown scheme, or a missing library.
    """
    scheme = _scheme(options.url)
    where = plugins.target(scheme, BUILT_IN, group=GROUP, what="lease store")
    factory: LeaseStoreFactory = plugins.load(where, f"{scheme}://")
    return factory(options)


def is_served(url: str | None) -> bool:
    """Report whether there is a lease store for a URL; imports nothing.

    Args:
        url: of a result store or a broker, perhaps.
    """
    if not url or "://" not in url:
        return False
    try:
        plugins.target(_scheme(url), BUILT_IN, group=GROUP, what="lease store")
    except ImproperlyConfigured:
        return False
    return True


def _scheme(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    return "db" if scheme.startswith(("db+", "postgres", "mysql", "mariadb")) else scheme
