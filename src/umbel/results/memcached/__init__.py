"""Results in memcached: ``cache+memcached://host:port/``, and ``cache+pymemcache://``, as Celery has it."""

from __future__ import annotations

from umbel.results.base import StoreOptions
from umbel.results.keyvalue.store import KeyValueStore
from umbel.results.memcached.values import MemcachedValues, servers_of


def connect(options: StoreOptions) -> KeyValueStore:
    """Make the store for a ``cache+memcached://`` URL; connects when first used.

    Args:
        options: of the store; ``transport["cache"]`` holds ``cache_backend_options``.

    Raises:
        ImproperlyConfigured: the URL names no server, an option is unknown, or the client library is not installed.
    """
    values = MemcachedValues(servers_of(options.url), options.transport.get("cache") or {})
    # A list of revoked tasks would be one value, and those are small here.
    return KeyValueStore(options, values, needs_cleanup=False, keeps_revocations=False)


__all__ = ["connect"]
