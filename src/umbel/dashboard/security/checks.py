"""Checks of a request before anything is done: its host, who sent it, and whether it was meant. Pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from typing import Final

#: Methods that change nothing.
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


def is_loopback(host: str) -> bool:
    """Report whether only this machine reaches what listens at ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """Take the port off a ``Host`` ``header``."""
    header = header.strip().lower()
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0]


def is_known_host(header: str, hosts: frozenset[str], *, is_open: bool) -> bool:
    """Report whether a request came under a name that is ours. Else a page of others, whose name was made to lead here, could read everything.

    Args:
        header: ``Host``.
        hosts: those that were named.
        is_open: nobody has to log in, so that only names of this machine count beside them.
    """
    host = host_of(header)
    if host in hosts or host in _NAMES:
        return True
    return not hosts and not is_open


def is_meant(method: str, headers: Mapping[str, str], token: str, expected: str, *, by_program: bool) -> str | None:
    """Say why a request is refused that another site may have made a browser send; ``None`` where it is meant.

    Args:
        method: of the request.
        headers: of the request, names in lower case.
        token: that came with it.
        expected: the token of this visitor.
        by_program: it says by itself who sends it (``Authorization``), or it is for the interface for programs, which send neither of the headers by
            which browsers tell where a request comes from.
    """
    if method in SAFE:
        return None
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return f"another site asked for this ({site})"
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return "another site asked for this"
    if by_program and site is None and origin is None:
        return None
    if not hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
        return "the page was too old: load it again, and do it once more"
    return None


class Tokens:
    """Makes the token that forms of one visitor carry, and knows it again."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def of(self, visit: str) -> str:
        """Return the token of a ``visit``: the value of a cookie that only this site can read."""
        return hmac.new(self._secret, visit.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def security_headers(nonce: str) -> list[tuple[str, str]]:
    """List the headers of every answer.

    Args:
        nonce: of the scripts and styles of this page; nothing else is loaded or run.
    """
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return [
        ("content-security-policy", policy),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ]
