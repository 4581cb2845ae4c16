"""`AppConnections`, the connections of an app; and from settings to the options of broker and store, the one place where both are known."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from umbel.app.config.settings import Settings
from umbel.brokers import registry as broker_registry
from umbel.brokers.base import Broker, BrokerOptions, Publisher
from umbel.clients import urls
from umbel.errors import ImproperlyConfigured
from umbel.results import registry as store_registry
from umbel.results.base import ResultStore, StoreOptions
from umbel.wire import serializers
from umbel.wire.message import MessageLimits

if TYPE_CHECKING:
    from umbel.control.mailbox import MailboxOptions
    from umbel.leases.base import LeaseOptions, LeaseStore
    from umbel.wire.signing.keys import KeyRing


class AppConnections:
    """The connections of an app to its broker and its result store. Thread-safe; after a fork, `forget`.

    Args:
        conf: the app's settings.
    """

    def __init__(self, conf: Settings) -> None:
        self._conf = conf
        #: Makes what stands between the app and its publisher.
        self._through: Callable[[Publisher], Publisher] | None = None
        self.forget()

    def forget(self) -> None:
        """Drop all connections without closing them: after a fork they belong to the parent."""
        self._lock = threading.RLock()
        self._broker: Broker | None = None
        self._write_broker: Broker | None = None
        self._publisher: Publisher | None = None
        self._store: ResultStore | None = None
        self._store_known = False
        self._leases: LeaseStore | None = None
        self._ring: tuple[int, KeyRing | None] | None = None
        self._oid = ""

    @property
    def broker(self) -> Broker:
        """The broker that workers read from."""
        if self._broker is None:
            with self._lock:
                if self._broker is None:
                    self._broker = broker_registry.connect(broker_options(self._conf, role="read"))
        return self._broker

    @property
    def write_broker(self) -> Broker:
        """The broker that messages are sent to: that which workers read from, unless the settings name two."""
        if not (self._conf.broker_write_url or self._conf.broker_read_url):
            return self.broker
        if self._write_broker is None:
            with self._lock:
                if self._write_broker is None:
                    self._write_broker = broker_registry.connect(broker_options(self._conf, role="write"))
        return self._write_broker

    @property
    def publisher(self) -> Publisher:
        """The publisher of this process."""
        if self._publisher is None:
            with self._lock:
                if self._publisher is None:
                    made = self.write_broker.publisher()
                    self._publisher = self._signed(made if self._through is None else self._through(made))
        return self._publisher

    def relay(self, *, anew: bool) -> Publisher:
        """Make the publisher for messages that came from a queue: none is signed that was not.

        Args:
            anew: they may run although they have run before; else each is the same message at another place.
        """
        ring = self.key_ring
        if ring is None:
            return self.publisher
        from umbel.app.security.sealing import RelayingPublisher

        return RelayingPublisher(self.write_broker.publisher(), ring, anew=anew)

    @property
    def key_ring(self) -> KeyRing | None:
        """The keys that sign and verify messages; ``None`` where there are none.

        Raises:
            ImproperlyConfigured: the settings name keys that are none.
        """
        if self._ring is None or self._ring[0] != self._conf.version:
            if not (self._conf.message_keys or self._conf.message_encryption_keys):
                return None
            from umbel.app.security.keyring import key_ring  # few apps sign

            self._ring = self._conf.version, key_ring(self._conf)
        return self._ring[1]

    def _signed(self, publisher: Publisher) -> Publisher:
        ring = self.key_ring
        if ring is None:
            return publisher
        from umbel.app.security.sealing import SealingPublisher

        return SealingPublisher(publisher, ring)

    def publish_through(self, make: Callable[[Publisher], Publisher]) -> None:
        """Have messages go through another publisher first, which ``make`` makes of the broker's own: a transactional outbox."""
        self._through, self._publisher = make, None

    def mirrors_priorities(self, *, reading: bool = False) -> bool:
        """Report whether priorities are the other way round in messages than in this app (``priority_order``).

        Args:
            reading: in messages that are read; else in those that are sent.
        """
        order = self._conf.priority_order
        if order == "broker":
            return False
        if not reading:
            _ = self.publisher  # which makes the broker that is written to, where it is another one
        broker = self.broker if reading or self._write_broker is None else self._write_broker
        return broker.capabilities.higher_first is not (order == "higher-first")

    @property
    def store(self) -> ResultStore | None:
        """The result store; ``None`` when results are not kept."""
        if not self._store_known:
            with self._lock:
                if not self._store_known:
                    url = self.store_url()
                    self._store = None if url is None else store_registry.connect(store_options(self._conf, url))
                    self._store_known = True
        return self._store

    def store_url(self) -> str | None:
        """The result store's URL, or ``None``.

        Raises:
            ImproperlyConfigured: there is no store for such a URL. A sender asks before it sends.
        """
        url = store_url(self._conf, urls.split(self._conf.broker_url or ()))
        store_registry.check(url)
        return url

    @property
    def leases(self) -> LeaseStore:
        """The lease store.

        Raises:
            ImproperlyConfigured: the settings name none, or one that there is not.
        """
        if self._leases is None:
            from umbel.leases import registry  # few apps have one

            with self._lock:
                if self._leases is None:
                    self._leases = registry.connect(lease_options(self._conf))
        return self._leases

    @property
    def oid(self) -> str:
        """The id of this client process."""
        if not self._oid:
            import uuid

            self._oid = str(uuid.uuid3(uuid.NAMESPACE_OID, f"{uuid.getnode():x}-{os.getpid()}-{id(self):x}"))
        return self._oid

    def use(self, publisher: Publisher, store: ResultStore | None, leases: LeaseStore | None = None) -> None:
        """Use this ``publisher``, this ``store`` and these ``leases`` in place of those that the settings name."""
        self._publisher, self._store, self._store_known, self._leases = publisher, store, True, leases

    def close(self) -> None:
        """Flush and disconnect. All may be used again.

        Raises:
            OperationalError: the broker has not confirmed everything.
        """
        made, stores = (self._write_broker, self._broker), (self._store, self._leases)
        try:
            for broker in made:
                if broker is not None:
                    broker.close()
        finally:
            self.forget()
            for store in stores:
                if store is not None:
                    store.close()


def seconds(value: float | timedelta | None) -> float | None:
    """Return a duration, ``value``, as a number of seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def broker_options(conf: Settings, *, url: Any = None, role: str = "") -> BrokerOptions:
    """Read from the settings how to reach the broker.

    Args:
        conf: the app's settings.
        url: in place of the settings'.
        role: ``read`` or ``write``, where these are different brokers.
    """
    given = url or (conf[f"broker_{role}_url"] if role else None) or conf.broker_url
    if not given:
        raise ImproperlyConfigured(
            "broker_url is empty: expected a URL, e.g. sqlite:///umbel.db, redis://localhost:6379/0, amqp://guest@localhost//"
        )
    transport = dict(conf.broker_transport_options)
    if conf.visibility_timeout is not None:
        transport.setdefault("visibility_timeout", seconds(conf.visibility_timeout))
    lease = seconds(conf.broker_lease) or 30.0
    if transport.get("visibility_timeout"):  # a shorter one is the lease; a longer one is moot, because leases are renewed
        lease = min(lease, float(transport["visibility_timeout"]))
    on_startup = conf.broker_connection_retry_on_startup
    retry = conf.broker_connection_retry if on_startup is None else on_startup
    return BrokerOptions(
        urls=tuple(_overridden(each, conf) for each in urls.split(given)),
        connect_timeout=seconds(conf.broker_connection_timeout) or 4.0,
        heartbeat=seconds(conf.broker_heartbeat) or 0.0,
        ssl=conf.broker_use_ssl or False,
        login_method=conf.broker_login_method,
        failover=conf.broker_failover_strategy or "round-robin",
        max_retries=(conf.broker_connection_max_retries or None) if retry else 0,
        transport=transport,
        lease=lease,
        window=conf.broker_publish_window,
        publish_timeout=seconds(conf.broker_publish_timeout) or 10.0,
        publish_retries=publish_retries(conf),
        delayed_queue_type=conf.broker_native_delayed_delivery_queue_type,
        limits=MessageLimits(
            body=conf.message_max_body,
            header_bytes=conf.message_max_header_bytes,
            header_count=conf.message_max_header_count,
            depth=conf.message_max_depth,
        ),
    )


def publish_retries(conf: Settings, retry: bool | None = None, policy: Mapping[str, Any] | None = None) -> int:
    """Return the number of attempts after the first to reach the broker when publishing.

    Args:
        conf: the app's settings.
        retry: whether there are any; ``task_publish_retry`` when not given.
        policy: ``max_retries`` of it counts, ``None`` there is no limit but the timeout; ``task_publish_retry_policy`` when not given.
    """
    if not (conf.task_publish_retry if retry is None else retry):
        return 0
    most = (policy or conf.task_publish_retry_policy or {}).get("max_retries", 3)
    return sys.maxsize if most is None else int(most)


def store_url(conf: Settings, broker: Iterable[str]) -> str | None:
    """Return the result store's URL, or ``None`` when results are not kept.

    Args:
        conf: the app's settings.
        broker: the broker's URLs: results go into the same SQLite file or database when nothing else is said.
    """
    given = conf.result_backend
    if given is None:
        first = next(iter(broker), "")
        return store_registry.canonical(first) if first.startswith(("sqlite:", "postgresql:", "postgres:", "mysql", "mariadb")) else None
    if not isinstance(given, str):
        raise ImproperlyConfigured(f"result_backend: expected a URL, got {type(given).__name__}")
    text = store_registry.canonical(given)
    if text in ("database", "db"):
        if not conf.database_url:
            raise ImproperlyConfigured(
                f"result_backend is {text!r} and database_url is empty: expected e.g. postgresql://user:password@host/name"
            )
        text = conf.database_url
        return text if text.startswith("db+") else f"db+{text}"
    if text == "cache":
        if not conf.cache_backend:
            raise ImproperlyConfigured("result_backend is 'cache' and cache_backend is empty: expected e.g. memcached://127.0.0.1:11211/")
        return store_registry.canonical(f"cache+{conf.cache_backend.removeprefix('cache+')}")
    if text == "redis://" and conf.redis_host:
        name, password = (quote(part or "", safe="") for part in (conf.redis_username, conf.redis_password))
        user = f"{name}:{password}@" if name or password else ""
        return f"redis://{user}{conf.redis_host}:{conf.redis_port or 6379}/{conf.redis_db or 0}"
    return text


def store_options(conf: Settings, url: str) -> StoreOptions:
    """Read from the settings ``conf`` how to reach the result store at ``url`` and how to write to it."""
    accept = conf.result_accept_content if conf.result_accept_content is not None else conf.accept_content
    transport = dict(conf.result_backend_transport_options)
    if url.startswith("rpc"):  # results go through the broker that tasks go through
        transport.setdefault("broker", broker_options(conf))
    if url.startswith("db+"):
        transport["database"] = database_options(conf)
    if url.startswith(("cache+", "memcache")):
        transport["cache"] = conf.cache_backend_options
    if url.startswith("mongodb"):
        transport["mongodb"] = conf.mongodb_backend_settings
    return StoreOptions(
        url=url,
        expires=seconds(conf.result_expires),
        failure_expires=seconds(conf.result_failure_expires),
        chord_expires=seconds(conf.result_chord_expires),
        serializer=conf.result_serializer,
        compression=conf.result_compression,
        accept=frozenset(accept),
        persistent=bool(conf.result_persistent),
        ssl=conf.redis_backend_use_ssl,
        socket_timeout=seconds(conf.redis_socket_timeout) or 120.0,
        connect_timeout=seconds(conf.redis_socket_connect_timeout) or 4.0,
        max_connections=conf.redis_max_connections,
        transport=transport,
    )


def mailbox_options(conf: Settings, ring: KeyRing | None = None) -> MailboxOptions:
    """Read from the settings ``conf`` how workers are reached by remote control, signed with the keys of ``ring``."""
    from umbel.control.mailbox import MailboxOptions

    accept = serializers.content_types(conf.accept_content)
    durable = bool(conf.control_queue_durable)
    return MailboxOptions(
        namespace=conf.control_exchange,
        expires=seconds(conf.control_queue_expires) or 10.0,
        message_ttl=seconds(conf.control_queue_ttl) or 300.0,
        exclusive=bool(conf.control_queue_exclusive) and not durable,
        durable=durable,
        # Workers that read no JSON are spoken to in what they are sent as tasks.
        serializer="json" if "application/json" in accept else conf.task_serializer,
        accept=accept,
        ring=ring,
        requires_seal=ring is not None and conf.message_signing == "required",
    )


def database_options(conf: Settings) -> dict[str, Any]:
    """Collect the ``database_*`` settings in ``conf`` under the rest of their names."""
    return {
        "engine_options": conf.database_engine_options,
        "engine_callback": conf.database_engine_callback,
        "table_names": conf.database_table_names,
        "table_schemas": conf.database_table_schemas,
    }


def lease_options(conf: Settings) -> LeaseOptions:
    """Read from the settings ``conf`` how to reach the lease store: where ``lease_store`` says, else with the results, else with the messages.

    Raises:
        ImproperlyConfigured: none of these can keep leases.
    """
    from umbel.leases import registry
    from umbel.leases.base import LeaseOptions
    from umbel.wire.redis.keys import result_prefix

    broker = broker_options(conf)
    result, given = store_url(conf, broker.urls), store_registry.canonical(conf.lease_store)
    url = given or (result if registry.is_served(result) else None) or store_registry.canonical(";".join(broker.urls)) or ""
    if given is None and not registry.is_served(url):
        raise ImproperlyConfigured(
            "unique tasks and limits across workers need a lease store, which neither the result store nor the broker can be: "
            "set lease_store, e.g. to redis://localhost:6379/0"
        )
    is_brokers = given is None and url != result
    transport = dict(broker.transport if is_brokers else conf.result_backend_transport_options)
    prefix = str(transport.get("global_keyprefix") or "") if is_brokers else result_prefix(transport)
    if url.startswith("db+"):
        transport["database"] = database_options(conf)
    return LeaseOptions(
        url=url,
        prefix=prefix,
        ssl=broker.ssl if is_brokers else conf.redis_backend_use_ssl,
        connect_timeout=broker.connect_timeout if is_brokers else seconds(conf.redis_socket_connect_timeout) or 4.0,
        transport=transport,
    )


def _overridden(url: str, conf: Settings) -> str:
    """A URL with the parts that ``broker_host`` and its like replace."""
    named: Mapping[str, Any] = {
        "user": conf.broker_user,
        "password": conf.broker_password,
        "host": conf.broker_host,
        "port": conf.broker_port,
        "path": conf.broker_vhost,
    }
    changes = {part: value for part, value in named.items() if value is not None}
    if not changes:
        return url
    parsed = replace(urls.parse(url), **changes)
    who = quote(parsed.user or "", safe="") + (f":{quote(parsed.password, safe='')}" if parsed.password else "")
    port = f":{parsed.port}" if parsed.port else ""
    query = f"?{urlencode(parsed.query)}" if parsed.query else ""
    return f"{parsed.scheme}://{who + '@' if who else ''}{parsed.host or ''}{port}/{quote(parsed.path, safe='')}{query}"
