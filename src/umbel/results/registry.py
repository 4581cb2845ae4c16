"""From a result store's URL to the store, by its scheme.

Schemes are entry points (group ``umbel.result_stores``); the built-in ones are also listed here, so that a source tree works without being installed.
Nothing is imported before it is asked for. Celery's short names (``redis``, ``rpc``, ``cache+memory``, ``disabled``) are understood.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

from umbel.errors import ImproperlyConfigured
from umbel.results.base import ResultStore, StoreFactory, StoreOptions

GROUP = "umbel.result_stores"

_REDIS, _MEMORY = "umbel.results.redis:connect", "umbel.results.memory:connect"
BUILT_IN: Mapping[str, str] = {
    **dict.fromkeys(("redis", "rediss", "redis+socket", "socket", "unix", "sentinel", "valkey", "valkeys"), _REDIS),
    "sqlite": "umbel.results.sqlite:connect",
    "rpc": "umbel.results.rpc:connect",
    "memory": _MEMORY,
    "cache+memory": _MEMORY,
}
#: Names without ``://`` → URLs.
_SHORT: Mapping[str, str] = {
    "redis": "redis://",
    "rpc": "rpc://",
    "amqp": "rpc://",
    "memory": "memory://",
    "cache+memory": "cache+memory://",
    "sqlite": "sqlite:///umbel.db",
}
_NONE = ("", "disabled", "none")
#: Libraries that a store may lack → the extra to install.
_EXTRAS: Mapping[str, str] = {"redis": "redis", "sqlalchemy": "sql", "msgpack": "msgpack", "yaml": "yaml"}


def canonical(text: str | None) -> str | None:
    """A setting as a URL: short names written out, ``None`` when results are not to be kept."""
    if text is None or text.strip().lower() in _NONE or text.startswith("disabled://"):
        return None
    return _SHORT.get(text.strip().lower(), text.strip())


def connect(options: StoreOptions) -> ResultStore | None:
    """Make the store that a URL names, opening no connection; ``None`` for ``disabled://`` and the like.

    Raises:
        ImproperlyConfigured: an unknown scheme, or a missing library.
    """
    url = canonical(options.url)
    if url is None:
        return None
    scheme = url.partition("://")[0].lower()
    if "://" not in url:
        raise ImproperlyConfigured(
            f"result_backend is {url!r}: expected a URL, e.g. redis://localhost:6379/1, or one of {', '.join(_SHORT)}"
        )
    return load(scheme)(replace(options, url=url))


def load(scheme: str) -> StoreFactory:
    """Import the factory of a scheme.

    Raises:
        ImproperlyConfigured: nobody offers the scheme, or its library is not installed (names what to install).
    """
    module, _, name = _target(scheme).partition(":")
    try:
        factory: StoreFactory = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "umbel":
            raise
        extra = _EXTRAS.get(missing)
        install = f'"umbel[{extra}]"' if extra else missing
        raise ImproperlyConfigured(f"{scheme}:// needs the library {missing!r}, which is not installed: pip install {install}") from error
    return factory


def _target(scheme: str) -> str:
    if scheme in BUILT_IN:
        return BUILT_IN[scheme]
    from importlib.metadata import entry_points  # slow to import, and needed for other people's schemes only

    offered = {point.name: point.value for point in entry_points(group=GROUP)}
    if scheme in offered:
        return offered[scheme]
    known = sorted({*BUILT_IN, *offered})
    close = difflib.get_close_matches(scheme, known, n=1)
    hint = f"did you mean {close[0]}://?" if close else f"known are {', '.join(known)}"
    raise ImproperlyConfigured(f"no result store for {scheme}:// URLs; {hint}")
