"""The way to a MongoDB database: one client in each process, Celery's settings, errors in plain words. A server that is away is waited for."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from umbel.errors import AccessRefused, EncodeError, ImproperlyConfigured, OperationalError
from umbel.runtime import process_hooks
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM

R = TypeVar("R")

#: Seconds for which a write is kept trying: a server that restarts must not cost a result. And a read.
WRITE_PATIENCE, READ_PATIENCE = 30.0, 5.0
#: MongoDB's numbers of errors: who may not, or is not known.
_REFUSED: Final = frozenset({13, 18, 8000})
_DUPLICATE: Final = 11000
#: Of ``mongodb_backend_settings``, besides options of the client.
_NAMES: Final = ("database", "taskmeta_collection", "groupmeta_collection")
_ADDRESS: Final = ("host", "port", "mongo_host", "user", "password")


class MongoDatabase:
    """The collections of a store.

    Args:
        url: ``mongodb://…`` or ``mongodb+srv://…``.
        settings: ``mongodb_backend_settings``.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used, or pymongo is not installed.
    """

    def __init__(self, url: str, settings: Mapping[str, Any] | None) -> None:
        try:
            import pymongo
            import pymongo.errors
        except ImportError as error:
            text = f'results in MongoDB need the library pymongo (pip install "umbel[mongodb]"): {error}'
            raise ImproperlyConfigured(text) from error
        errors: Any = pymongo.errors
        given = dict(settings or {})
        names = {name: given.pop(name) for name in _NAMES if name in given}
        self.url: str = _url_of(url, {name: given.pop(name) for name in _ADDRESS if name in given})
        options = {"maxPoolSize": given.pop("max_pool_size", 10), **(given.pop("options", None) or {}), **given}
        defaults = {"serverSelectionTimeoutMS": 5000, "connectTimeoutMS": 5000, "tz_aware": True, "connect": False}
        self._names = names
        self._errors = errors
        self._make: Callable[[], Any] = lambda: pymongo.MongoClient(self.url, **{**defaults, **options})
        self._client: Any = None
        self._prepared = False
        self._lock = threading.Lock()
        try:
            self._database_name = names.get("database") or self._make().get_default_database("celery").name
        except (errors.ConfigurationError, errors.InvalidURI, ValueError, TypeError) as error:
            raise ImproperlyConfigured(f"result_backend {self.public()} or mongodb_backend_settings: {error}") from error
        process_hooks.attach(after_fork=self._forget)

    def _forget(self) -> None:
        """In a forked child: connections belong to the parent."""
        self._client, self._lock = None, threading.Lock()

    def use(self, work: Callable[[Any], R], patience: float) -> R:
        """Do some work that may be done twice, for up to ``patience`` seconds.

        Args:
            work: gets the database, as pymongo has it.
            patience: seconds.

        Raises:
            AccessRefused: the server does not let this user.
            EncodeError: a document is larger than the server takes, or holds what it cannot.
            OperationalError: the server cannot be reached after its retries, or refused the operation.
        """
        deadline, errors = SYSTEM.monotonic() + patience, self._errors
        for delay in delays(first=0.05, most=1.0):
            try:
                return work(self._connected())
            except (errors.DocumentTooLarge, errors.InvalidDocument, OverflowError) as error:
                raise EncodeError(f"a result cannot be stored in MongoDB: {error}") from error
            except errors.ConnectionFailure as error:
                if SYSTEM.monotonic() + delay > deadline:
                    raise OperationalError(f"MongoDB at {self.public()} cannot be reached: {error}") from error
            except errors.OperationFailure as error:
                kind = AccessRefused if error.code in _REFUSED else OperationalError
                raise kind(f"MongoDB at {self.public()} refuses: {error}", permanent=True) from error
            except errors.PyMongoError as error:
                raise OperationalError(f"MongoDB at {self.public()} cannot be used: {error}") from error
            time.sleep(delay)
        raise AssertionError  # delays have no end

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client, self._prepared = self._make(), False
            database = self._client[self._database_name]
            if not self._prepared:
                for name in (self.tasks, self.groups, CHORDS, PARTS, REVOKED):
                    database[name].create_index("umbel_expires", expireAfterSeconds=0)
                for name in (self.tasks, self.groups):
                    database[name].create_index("date_done", background=True)  # Celery's, to the word: another of its name is refused
                self._prepared = True
            return database

    @property
    def tasks(self) -> str:
        """The name of the collection of records."""
        return str(self._names.get("taskmeta_collection") or "celery_taskmeta")

    @property
    def groups(self) -> str:
        """The name of the collection of groups' trees."""
        return str(self._names.get("groupmeta_collection") or "celery_groupmeta")

    def unless_there(self, work: Callable[[], R]) -> R | None:
        """Do some work; ``None`` when a document of its id is there already and is not what was looked for.

        Args:
            work: an update that inserts where it finds nothing.
        """
        try:
            return work()
        except self._errors.DuplicateKeyError:
            return None

    def failed(self, work: Callable[[], object]) -> list[int]:
        """Write many; return the places of those whose documents are there already and are not what was looked for.

        Args:
            work: a bulk write that is not ordered.
        """
        try:
            work()
        except self._errors.BulkWriteError as error:
            found = (error.details or {}).get("writeErrors", [])
            if any(each.get("code") != _DUPLICATE for each in found) or (error.details or {}).get("writeConcernErrors"):
                raise
            return sorted(each["index"] for each in found)
        return []

    def public(self) -> str:
        """Return the URL, without user and password."""
        return re.sub(r"//[^/]*@", "//**@", self.url).partition("?")[0]

    def close(self) -> None:
        """Disconnect; the database may be used again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


CHORDS, PARTS, REVOKED = "umbel_chords", "umbel_chord_parts", "umbel_revoked"


def _url_of(url: str, address: Mapping[str, Any]) -> str:
    """The URL, with what ``mongodb_backend_settings`` says in place of its parts."""
    from urllib.parse import quote

    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    if address.get("user"):
        user, at = quote(str(address["user"]), safe=""), "@"
        user += f":{quote(str(address['password']), safe='')}" if address.get("password") else ""
    given = address.get("mongo_host") or address.get("host")
    if given and str(given).startswith("mongodb"):
        return str(given)
    if given or address.get("port"):
        listed = given if isinstance(given, (list, tuple)) else [given or "localhost"]
        hosts = ",".join(f"{host}:{address['port']}" if address.get("port") and ":" not in str(host) else str(host) for host in listed)
    return f"{scheme}://{user}{at}{hosts or 'localhost'}{slash}{path}"
