"""From a broker URL to a `Broker`, by its scheme.

Schemes are entry points (group ``umbel.brokers``), so that a package can bring a broker of its own; the built-in ones are also listed
here, so that a source tree works without being installed. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from umbel.brokers.base import Broker, BrokerFactory, BrokerOptions
from umbel.clients import urls
from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins

GROUP = "umbel.brokers"

_AMQP, _REDIS = "umbel.brokers.amqp:connect", "umbel.brokers.redis:connect"
BUILT_IN: Mapping[str, str] = {
    **dict.fromkeys(("amqp", "amqps", "pyamqp"), _AMQP),
    **dict.fromkeys(("redis", "rediss", "redis+socket", "unix", "sentinel", "valkey", "valkeys"), _REDIS),
    "sqlite": "umbel.brokers.sqlite:connect",
    **dict.fromkeys(("postgresql", "postgres"), "umbel.brokers.postgresql:connect"),
    **dict.fromkeys(
        ("mysql", "mysql+pymysql", "mysql+mysqldb", "mariadb", "mariadb+pymysql", "mariadb+mysqldb"), "umbel.brokers.mysql:connect"
    ),
    "memory": "umbel.brokers.memory:connect",
}


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
    targets = {scheme: plugins.target(scheme, BUILT_IN, group=GROUP, what="broker") for scheme in schemes}
    if len(set(targets.values())) > 1:
        raise ImproperlyConfigured(f"broker_url lists brokers of several kinds ({', '.join(schemes)}): a failover list must be of one kind")
    factory: BrokerFactory = plugins.load(targets[schemes[0]], f"{schemes[0]}://")
    return factory(options)
