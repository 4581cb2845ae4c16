"""Broker and store URLs: split failover lists, parse one, show one without its password."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from umbel.errors import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Url:
    """One parsed URL: ``scheme://user:password@host:port/path?query``; parts are percent-decoded, ``None`` when absent."""

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str | None = None
    port: int | None = None
    #: What follows the first slash: a virtual host, a database number, a file.
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Url({self.public()!r})"

    def public(self) -> str:
        """The URL without its password and query, fit for logs."""
        who = f"{self.user or ''}:**@" if self.password else f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{who}{host}{port}/{self.path}"


def parse(text: str) -> Url:
    """Parse one URL.

    Raises:
        ImproperlyConfigured: it has no scheme, or its host or port cannot be told. The text holds nothing that may be a password.
    """
    if "://" not in text:
        if text.isidentifier():
            return Url(text)
        raise ImproperlyConfigured(f"{masked(text)!r} is not a broker URL: expected scheme://host, e.g. redis://localhost:6379/0")
    scheme, _, rest = text.partition("://")
    # urlsplit only knows some schemes' rules for netloc; all of ours follow http's.
    try:
        parts = urlsplit("http://" + rest.replace("#", "%23"))
    except ValueError as error:
        raise ImproperlyConfigured(f"the host in {scheme}://{masked(rest)} is not complete: {error}") from error
    try:
        port = parts.port
    except ValueError as error:
        if "@" in rest and "@" not in parts.netloc:
            why = "has a / or ? in its user or password: write %2F or %3F"
        else:
            why = f"has a port after {parts.hostname} that is not a number up to 65535"
        raise ImproperlyConfigured(f"the URL {scheme}://**@{rest.rpartition('@')[2] if '@' in rest else '…'} {why}") from error
    if parts.netloc and "@" in parts.path:  # what looks like a path may be the rest of a password
        raise ImproperlyConfigured(
            f"the URL {scheme}://**@{parts.path.rpartition('@')[2]} has an @ after its first /: "
            "write %2F for a / in its user or password, and %40 for an @ in its path"
        )
    return Url(
        scheme=scheme.lower(),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        host=parts.hostname or None,
        port=port,
        path=unquote(parts.path[1:]),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


def masked(text: str) -> str:
    """Mask what may be a user and a password in something that is not a URL."""
    _, at, rest = text.rpartition("@")
    return f"**@{rest}" if at else text


def split(urls: str | Iterable[str]) -> tuple[str, ...]:
    """A failover list, in order: a ``;``-separated string or any iterable of URLs."""
    if isinstance(urls, str):
        urls = urls.split(";")
    found = tuple(part.strip() for part in urls if part.strip())
    if found and "://" in found[0]:  # "sentinel://h1:1;h2:2" may leave the scheme out after the first
        scheme = found[0].partition("://")[0]
        found = tuple(part if "://" in part else f"{scheme}://{part}" for part in found)
    return found
