"""One request to an address that a user may have given: no redirects, no addresses of the inner network, and not more of the answer than is needed."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from umbel.errors import ImproperlyConfigured

#: Bytes of an answer that are read.
_READ: Final = 4096
#: Addresses of version 6 that hold one of version 4: those that a gateway translates (RFC 6052), and the old ones (RFC 4291, 2.5.5.1).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


class Answer(NamedTuple):
    """The beginning of an answer."""

    status: int
    #: Seconds, of ``Retry-After``; ``None`` without.
    retry_after: float | None
    text: str


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float, private: bool) -> Answer:
    """Post once.

    Args:
        url: http or https.
        body: of the request.
        headers: of the request.
        timeout: seconds for each wait.
        private: addresses that are not of the public internet are allowed.

    Raises:
        ImproperlyConfigured: it is no such URL, or leads where it may not.
        OSError: the server cannot be reached, or breaks off.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ImproperlyConfigured("the URL of a webhook must be http://host/path or https://host/path, without a password in it")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise ImproperlyConfigured("the URL of a webhook has a port that is none") from None
    address = _address(parts.hostname, port, private=private)
    connection = _Connection(parts.hostname, port, address, tls=parts.scheme == "https", timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        after = answer.headers.get("Retry-After", "")
        return Answer(answer.status, float(after) if after.isdecimal() else None, answer.read(_READ).decode(errors="replace"))
    except http.client.HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _address(host: str, port: int, *, private: bool) -> str:
    """Look a host up; each of its addresses must be allowed, and the first one is used, so that another look cannot lead elsewhere."""
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private:
        for text in found:
            if not _is_public(text):
                raise ImproperlyConfigured(
                    f"the webhook's host {host} has an address that is not of the public internet: allow it with webhook_task(…, private=True)"
                )
    return found[0]


def _is_public(text: str) -> bool:
    """Report whether an address is one host's in the public internet, and so is the one of version 4 that a gateway would make of it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if address.is_site_local or address in _COMPATIBLE:
        return False
    inner = ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else address.sixtofour
    return inner is None or _is_public(str(inner))


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was looked up before."""

    def __init__(self, host: str, port: int, address: str, *, tls: bool, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address = address
        self._tls = tls
        self.default_port = 443 if tls else 80

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
