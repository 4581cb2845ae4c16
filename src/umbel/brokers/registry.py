"""From a broker URL to a `Broker`, by its scheme.

Schemes are entry points (group ``umbel.brokers``), so that a package can bring a broker of its own; the built-in ones are also listed
here, so that a source tree works without being installed. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module

from umbel.brokers import urls
from umbel.brokers.base import Broker, BrokerFactory, BrokerOptions
from umbel.errors import ImproperlyConfigured

GROUP = "umbel.brokers"

_AMQP, _REDIS = "umbel.brokers.amqp:connect", "umbel.brokers.redis:connect"
BUILT_IN: Mapping[str, str] = {
    **dict.fromkeys(("amqp", "amqps", "pyamqp"), _AMQP),
    **dict.fromkeys(("redis", "rediss", "redis+socket", "unix", "sentinel", "valkey", "valkeys"), _REDIS),
    "sqlite": "umbel.brokers.sqlite:connect",
    "memory": "umbel.brokers.memory:connect",
}
#: The extra to install, by the name of the missing library.
EXTRAS: Mapping[str, str] = {"redis": "redis", "sqlalchemy": "sql", "msgpack": "msgpack", "yaml": "yaml"}


def connect(options: BrokerOptions) -> Broker:
    """Make the broker that a list of URLs names; opens no connection.

    Raises:
        ImproperlyConfigured: no URL, an unknown scheme, a failover list of several kinds, or a missing library.
    """
    if not options.urls:
        raise ImproperlyConfigured(
            "broker_url is empty: expected a URL, e.g. sqlite:///umbel.db, redis://localhost:6379/0 or amqp://guest@localhost//"
        )
    schemes = list(dict.fromkeys(urls.parse(url).scheme for url in options.urls))
    targets = {scheme: target(scheme) for scheme in schemes}
    if len(set(targets.values())) > 1:
        raise ImproperlyConfigured(f"broker_url lists brokers of several kinds ({', '.join(schemes)}): a failover list must be of one kind")
    return load(schemes[0], targets[schemes[0]])(options)


def target(scheme: str) -> str:
    """Where the factory of a scheme is, as ``module:name``.

    Raises:
        ImproperlyConfigured: nobody offers this scheme.
    """
    if scheme in BUILT_IN:
        return BUILT_IN[scheme]
    from importlib.metadata import entry_points  # slow to import, and needed for other people's schemes only

    offered = {point.name: point.value for point in entry_points(group=GROUP)}
    if scheme in offered:
        return offered[scheme]
    known = sorted({*BUILT_IN, *offered})
    close = difflib.get_close_matches(scheme, known, n=1)
    hint = f"did you mean {close[0]}://?" if close else f"known are {', '.join(known)}"
    raise ImproperlyConfigured(f"no broker for {scheme}:// URLs; {hint}")


def load(scheme: str, where: str) -> BrokerFactory:
    """Import a factory.

    Raises:
        ImproperlyConfigured: its library is not installed (names what to install).
    """
    module, _, name = where.partition(":")
    try:
        factory: BrokerFactory = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "umbel":
            raise
        extra = EXTRAS.get(missing)
        install = f'"umbel[{extra}]"' if extra else missing
        raise ImproperlyConfigured(f"{scheme}:// needs the library {missing!r}, which is not installed: pip install {install}") from error
    return factory
