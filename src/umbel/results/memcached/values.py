"""Values in memcached, changed by compare and swap (``gets``, ``cas``, ``add``), under Celery's keys (5.7, ``CacheBackend``)."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from umbel.clients import urls
from umbel.errors import EncodeError, ImproperlyConfigured, OperationalError
from umbel.results.keyvalue.values import Change
from umbel.runtime import process_hooks
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")

#: Seconds for which a change is kept trying: a server that restarts must not cost a result. And a read.
_CHANGE_PATIENCE, _READ_PATIENCE = 30.0, 5.0
#: Times that a value is compared anew when others change it.
_ROUNDS: Final = 200
#: What a key may hold: no blanks, no control characters, ASCII; the percent sign stands for the others.
_UNFIT: Final = re.compile(rb"[^\x21-\x24\x26-\x7e]")
#: Bytes of a key.
_LONGEST: Final = 250
#: Seconds up to which memcached takes an expiry for a duration, and not for a time.
_MONTH: Final = 30 * 24 * 3600
_TOO_LARGE: Final = ("too large", "out of memory storing")
#: Of pylibmc, which Celery no longer uses either.
_NOT_USED: Final = ("behaviors", "binary")


class MemcachedValues:
    """`umbel.results.keyvalue.values.Values` in memcached.

    Args:
        servers: (host, port), or the path of a socket.
        options: keywords of pymemcache's ``HashClient`` over the defaults.
        clock: tells the time.

    Raises:
        ImproperlyConfigured: an option is unknown, or pymemcache is not installed.
    """

    def __init__(self, servers: Sequence[tuple[str, int] | str], options: Mapping[str, Any], clock: Clock = SYSTEM) -> None:
        try:
            from pymemcache.client.hash import HashClient
            from pymemcache.exceptions import MemcacheClientError, MemcacheError
        except ImportError as error:
            text = f'results in memcached need the library pymemcache (pip install "umbel[memcached]"): {error}'
            raise ImproperlyConfigured(text) from error
        self._servers = servers
        self._clock = clock
        self._errors = (MemcacheError, OSError)
        self._permanent = MemcacheClientError
        own = {"use_pooling": True, "default_noreply": False, "connect_timeout": 5.0, "timeout": 5.0}
        own |= {"retry_attempts": 0, "dead_timeout": 1.0}
        given = {name: value for name, value in options.items() if name not in _NOT_USED}
        self._make: Callable[[], Any] = lambda: HashClient(list(servers), **{**own, **given})
        self._client: Any = None
        try:
            self._make()  # which connects to nobody
        except TypeError as error:
            raise ImproperlyConfigured(f"cache_backend_options: {error}; expected keywords of pymemcache's HashClient") from error
        process_hooks.attach(after_fork=self._forget)

    def _forget(self) -> None:
        """In a forked child: connections belong to the parent."""
        self._client = None

    def read(self, keys: Sequence[str], keep: float | None) -> dict[str, bytes]:  # noqa: ARG002 - memcached drops what has expired
        if not keys:
            return {}
        names = {_name(key): key for key in keys}
        found = self._use(lambda client: client.get_many(list(names)), _READ_PATIENCE)
        return {names[name]: value for name, value in found.items()}

    def change(self, changes: Mapping[str, Change], keep: float | None) -> None:
        left = {_name(key): change for key, change in changes.items()}
        pauses = delays(first=0.001, most=0.05, jitter=1.0)
        for _ in range(_ROUNDS):
            if not left:
                return
            self._use(lambda client: self._change(client, left, keep), _CHANGE_PATIENCE)
            if left:
                time.sleep(next(pauses))
        raise OperationalError(f"{len(left)} values in memcached at {self.public_url()} change all the time and could not be replaced")

    def _change(self, client: Any, left: dict[bytes, Change], keep: float | None) -> None:
        """Try once to make changes; those that are made leave ``left``."""
        known = client.gets_many(list(left))
        expires = self._expires(keep)
        for name, change in list(left.items()):
            old, token = known.get(name, (None, None))
            new = change(old)
            try:
                if new is None or (client.add(name, new, expires) if token is None else client.cas(name, new, token, expires)):
                    del left[name]
            except self._errors as error:
                if any(text in str(error) for text in _TOO_LARGE):
                    size = len(new or b"")
                    text = f"a result is larger than memcached takes: {size:,} bytes (its option -I says how many; 1 MB unless set)"
                    raise EncodeError(text) from error
                raise

    def drop(self, keys: Sequence[str]) -> None:
        if keys:
            self._use(lambda client: client.delete_many([_name(key) for key in keys]), _READ_PATIENCE)

    def cleanup(self, prefixes: Mapping[str, float | None]) -> int:  # noqa: ARG002
        return 0

    def public_url(self) -> str:
        listed = (server if isinstance(server, str) else f"{server[0]}:{server[1]}" for server in self._servers)
        return f"cache+memcached://{';'.join(listed)}/"

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _expires(self, keep: float | None) -> int:
        if not keep:
            return 0
        seconds = math.ceil(keep) + 1  # whole ones, the first of which has partly gone by
        return seconds if seconds <= _MONTH else int(self._clock.now()) + seconds

    def _use(self, work: Callable[[Any], R], patience: float) -> R:
        """Do some work that may be done twice, for up to ``patience`` seconds."""
        deadline = self._clock.monotonic() + patience
        for delay in delays(first=0.05, most=1.0):
            if self._client is None:
                self._client = self._make()
            try:
                return work(self._client)
            except self._errors as error:
                is_permanent = isinstance(error, self._permanent)
                if is_permanent or self._clock.monotonic() + delay > deadline:
                    text = f"memcached at {self.public_url()} cannot be used: {str(error) or type(error).__name__}"
                    raise OperationalError(text, permanent=is_permanent) from error
                time.sleep(delay)
        raise AssertionError  # delays have no end


def _name(key: str) -> bytes:
    """Return a key as memcached takes it: as it is, for all usual ids."""
    name = _UNFIT.sub(lambda found: b"%%%02X" % found[0][0], key.encode(errors="surrogatepass"))
    return name if len(name) <= _LONGEST else name[:80] + b"~" + hashlib.sha256(name).hexdigest().encode()


def servers_of(url: str) -> list[tuple[str, int] | str]:
    """Find the servers in a URL: ``cache+memcached://host:port;host:port/``, or the paths of sockets.

    Args:
        url: of the store.

    Raises:
        ImproperlyConfigured: it names none, or one that cannot be understood.
    """
    found: list[tuple[str, int] | str] = []
    rest = url.partition("://")[2]
    for each in filter(None, (part.strip() for part in rest.split(";"))):
        if each.startswith("/") and each.strip("/"):
            found.append(each)
        elif host := (parsed := urls.parse(f"memcached://{each}")).host:
            found.append((host, parsed.port or 11211))
    if not found:
        raise ImproperlyConfigured(f"result_backend {urls.masked(url)!r} names no server: expected cache+memcached://127.0.0.1:11211/")
    return found
