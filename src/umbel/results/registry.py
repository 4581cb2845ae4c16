"""From a result store's URL to the store, by its scheme.

Schemes are entry points (group ``umbel.result_stores``); the built-in ones are also listed here, so that a source tree works without being installed.
Nothing is imported before it is asked for. Celery's short names (``redis``, ``rpc``, ``cache+memory``, ``disabled``) are understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from umbel import not_yet
from umbel.clients.urls import masked
from umbel.errors import ImproperlyConfigured
from umbel.results.base import ResultStore, StoreFactory, StoreOptions
from umbel.runtime import plugins

GROUP = "umbel.result_stores"

_REDIS, _MEMORY, _MEMCACHED = "umbel.results.redis:connect", "umbel.results.memory:connect", "umbel.results.memcached:connect"
BUILT_IN: Mapping[str, str] = {
    **dict.fromkeys(("redis", "rediss", "redis+socket", "socket", "unix", "sentinel", "valkey", "valkeys"), _REDIS),
    "sqlite": "umbel.results.sqlite:connect",
    "rpc": "umbel.results.rpc:connect",
    "db": "umbel.results.sql:connect",
    "memory": _MEMORY,
    "cache+memory": _MEMORY,
    **dict.fromkeys(("memcache", "memcached", "cache+memcache", "cache+memcached", "cache+pymemcache", "cache+pylibmc"), _MEMCACHED),
    "file": "umbel.results.filesystem:connect",
    "mongodb": "umbel.results.mongodb:connect",
    "mongodb+srv": "umbel.results.mongodb:connect",
    "django-db": "umbel.contrib.django.results.store:connect",
}
#: Names without ``://`` → URLs.
_SHORT: Mapping[str, str] = {
    "redis": "redis://",
    "rpc": "rpc://",
    "amqp": "rpc://",
    "memory": "memory://",
    "cache+memory": "cache+memory://",
    "mongodb": "mongodb://",
    "django-db": "django-db://",
    "sqlite": "sqlite:///umbel.db",
}
#: What anything that is to be a store must have.
_NEEDED = ("options", "store", "fetch", "wait", "wait_async", "forget")
_NONE = ("", "disabled", "none")


def canonical(text: str | None) -> str | None:
    """A setting as a URL: short names written out, ``None`` when results are not to be kept."""
    if text is None or text.strip().lower() in _NONE or text.startswith("disabled://"):
        return None
    text = text.strip()
    if text.lower().startswith(("postgresql:", "postgres:")):  # a broker's URL, which SQLAlchemy knows by one name
        return f"db+postgresql:{text.partition(':')[2]}"
    if text.lower().startswith(("mysql", "mariadb")):
        return f"db+{text}"
    return _SHORT.get(text.lower(), text)


def connect(options: StoreOptions) -> ResultStore | None:
    """Make the store that a URL (or the path of a factory) names, opening no connection; ``None`` for ``disabled://`` and the like.

    Raises:
        ImproperlyConfigured: an unknown scheme, a missing library, or something that makes no store.
    """
    url = canonical(options.url)
    if url is None:
        return None
    scheme, separator, _ = url.partition("://")
    if not separator:
        return _made_by(url, options)
    factory: StoreFactory = plugins.load(_target(scheme), f"{scheme}://")
    return factory(replace(options, url=url))


def check(url: str | None) -> None:
    """See whether somebody serves a URL's scheme; imports nothing.

    Raises:
        ImproperlyConfigured: nobody does.
    """
    scheme, separator, _ = (url or "").partition("://")
    if separator:
        _target(scheme)


def _target(scheme: str) -> str:
    if scheme.lower().startswith("db+"):
        scheme = "db"
    try:
        return plugins.target(scheme.lower(), BUILT_IN, group=GROUP, what="result store")
    except ImproperlyConfigured:
        if scheme.lower() in ("amqp", "amqps", "pyamqp"):
            raise ImproperlyConfigured(f"no result store for {scheme}:// URLs; to send results through RabbitMQ, use rpc://") from None
        _refuse_planned(scheme)
        raise


def _refuse_planned(scheme: str) -> None:
    kind = not_yet.STORES.get(scheme.lower().partition("+")[0])
    if kind is not None:
        known = ", ".join(sorted({url.partition("://")[0] for url in _SHORT.values()}))
        raise ImproperlyConfigured(f"result_backend {scheme}: Celery's results in {kind} are not there yet; known are {known}")


def _made_by(path: str, options: StoreOptions) -> ResultStore:
    """The store that a factory, named by its import path, makes of the options."""
    _refuse_planned(path)
    module, _, name = path.replace(":", ".").rpartition(".")
    if not module or not path.replace(":", "").replace(".", "").isidentifier():
        raise ImproperlyConfigured(
            f"result_backend is {masked(path)!r}: expected a URL, e.g. redis://localhost:6379/1, one of {', '.join(_SHORT)}, "
            "or the path of a factory, module:name"
        )
    try:
        store: ResultStore = plugins.load(f"{module}:{name}", f"result_backend {path!r}")(options)
    except (AttributeError, TypeError) as error:
        raise ImproperlyConfigured(f"result_backend is {path!r}: it cannot be called with a StoreOptions: {error}") from error
    missing = [name for name in _NEEDED if not hasattr(store, name)]
    if missing:
        raise ImproperlyConfigured(
            f"result_backend is {path!r}: what it makes lacks {', '.join(missing)}; "
            "expected a store as in umbel.results.base (a backend class of Celery's is none)"
        )
    return store
