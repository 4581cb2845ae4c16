"""`Links`: the broker, the publisher and the result store of one app in one process, made when they are first needed."""

from __future__ import annotations

import os
import threading

from umbel.app import connections
from umbel.app.config.settings import Settings
from umbel.brokers import registry as brokers
from umbel.brokers import urls
from umbel.brokers.base import Broker, Publisher
from umbel.results import registry as stores
from umbel.results.base import ResultStore


class Links:
    """What an app is connected to. Thread-safe; after a fork, `forget`."""

    def __init__(self, conf: Settings) -> None:
        self._conf = conf
        self.forget()

    def forget(self) -> None:
        """Let go of everything without a word to anybody: it is the parent process's."""
        self._lock = threading.RLock()
        self._broker: Broker | None = None
        self._write_broker: Broker | None = None
        self._publisher: Publisher | None = None
        self._store: ResultStore | None = None
        self._store_known = False
        self._oid = ""

    @property
    def broker(self) -> Broker:
        """The broker that workers read from."""
        if self._broker is None:
            with self._lock:
                if self._broker is None:
                    self._broker = brokers.connect(connections.broker_options(self._conf, role="read"))
        return self._broker

    @property
    def publisher(self) -> Publisher:
        """Publishes for this process."""
        if self._publisher is None:
            with self._lock:
                if self._publisher is None:
                    if self._conf.broker_write_url or self._conf.broker_read_url:
                        self._write_broker = brokers.connect(connections.broker_options(self._conf, role="write"))
                    self._publisher = (self._write_broker or self.broker).publisher()
        return self._publisher

    @property
    def store(self) -> ResultStore | None:
        """Where results are kept; ``None`` when they are not."""
        if not self._store_known:
            with self._lock:
                if not self._store_known:
                    url = self.store_url()
                    self._store = None if url is None else stores.connect(connections.store_options(self._conf, url))
                    self._store_known = True
        return self._store

    def store_url(self) -> str | None:
        """The result store's URL, or ``None``."""
        return connections.store_url(self._conf, urls.split(self._conf.broker_url or ()))

    @property
    def oid(self) -> str:
        """The id of this client process."""
        if not self._oid:
            import uuid

            self._oid = str(uuid.uuid3(uuid.NAMESPACE_OID, f"{uuid.getnode():x}-{os.getpid()}-{id(self):x}"))
        return self._oid

    def use(self, publisher: Publisher, store: ResultStore | None) -> None:
        """Use these instead of what the settings name."""
        self._publisher, self._store, self._store_known = publisher, store, True

    def close(self) -> None:
        """Flush and disconnect. All may be used again.

        Raises:
            OperationalError: the broker has not confirmed everything.
        """
        made, store = (self._write_broker, self._broker), self._store
        try:
            for broker in made:
                if broker is not None:
                    broker.close()
        finally:
            self.forget()
            if store is not None:
                store.close()
