"""Addresses of Redis servers, and how to get in: URLs and options → `Address`; the first commands on a connection."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from umbel.clients import urls
from umbel.clients.urls import Url
from umbel.errors import ImproperlyConfigured, OperationalError

DEFAULT_PORT, SENTINEL_PORT = 6379, 26379
_TLS_SCHEMES = ("rediss", "valkeys")
_UNIX_SCHEMES = ("redis+socket", "socket", "unix")


class CredentialProvider(Protocol):
    """redis-py's interface for credentials that change: user and password, or the password alone."""

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return what to log in with now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentinels:
    """Servers that know where the primary is."""

    addresses: tuple[Address, ...]
    service: str
    #: Sentinels that must know the primary too; others are not believed.
    min_others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    #: A Unix socket instead of host and port.
    path: str | None = None
    db: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    credentials: CredentialProvider | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    client_name: str | None = None
    #: Seconds.
    connect_timeout: float = 4.0
    #: Ask these for host and port first.
    sentinels: Sentinels | None = None

    def public(self) -> str:
        """Without the password, fit for logs."""
        if self.sentinels:
            hosts = ",".join(f"{one.host}:{one.port}" for one in self.sentinels.addresses)
            return f"sentinel://{hosts}/{self.db}#{self.sentinels.service}"
        if self.path:
            return f"redis+socket://{self.path}?db={self.db}"
        scheme = "rediss" if self.tls else "redis"
        who = f"{self.user or ''}:**@" if self.password else ""
        return f"{scheme}://{who}{self.host}:{self.port}/{self.db}"

    def login(self) -> list[tuple[str, ...]]:
        """The commands that let us in, in order: AUTH (when there is a password), SELECT, CLIENT SETNAME.

        Raises:
            OperationalError: the user's own credential provider failed; it may do better the next time.
        """
        commands: list[tuple[str, ...]] = []
        if self.credentials is not None:
            try:
                commands.append(("AUTH", *self.credentials.get_credentials()))
            except Exception as error:
                raise OperationalError(f"no credentials for {self.public()}: {type(error).__name__}: {error}") from error
        elif self.password is not None:
            commands.append(("AUTH", self.user, self.password) if self.user else ("AUTH", self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        if self.client_name:
            commands.append(("CLIENT", "SETNAME", self.client_name.replace(" ", "_")))
        return commands


_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def _tls_context(options: Mapping[str, Any]) -> ssl.SSLContext:
    """A context from redis-py's (``ssl_ca_certs``) or the standard library's (``ca_certs``) option names."""
    given = {name.removeprefix("ssl_"): value for name, value in options.items()}
    context = ssl.create_default_context(
        cafile=given.get("ca_certs") or None, capath=given.get("ca_path") or None, cadata=given.get("ca_data") or None
    )
    verify = given.get("cert_reqs")
    if isinstance(verify, str):
        try:
            verify = _VERIFY[verify.lower().removeprefix("cert_")]
        except KeyError:
            raise ImproperlyConfigured(f"ssl_cert_reqs is {verify!r}: expected none, optional or required") from None
    hostname = given.get("check_hostname", True)
    hostname = hostname.lower() not in ("0", "false", "no") if isinstance(hostname, str) else bool(hostname)
    context.check_hostname = hostname and verify is not ssl.CERT_NONE
    if verify is not None:
        context.verify_mode = ssl.VerifyMode(verify)
    if given.get("certfile"):
        context.load_cert_chain(given["certfile"], given.get("keyfile") or None, given.get("password") or None)
    if given.get("ciphers"):
        context.set_ciphers(given["ciphers"])
    return context


def _database(text: object, where: str) -> int:
    try:
        return int(str(text).strip("/") or 0)
    except ValueError:
        raise ImproperlyConfigured(f"the database in {where} is {text!r}: expected a number such as 0") from None


def _provider(given: Any) -> CredentialProvider | None:
    if not given:
        return None
    if isinstance(given, str):
        module, _, name = given.replace(":", ".").rpartition(".")
        try:
            given = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ImproperlyConfigured(f"credential_provider {given!r} cannot be imported: {error}") from error
    if isinstance(given, type):
        given = given()
    if not callable(getattr(given, "get_credentials", None)):
        raise ImproperlyConfigured(f"credential_provider {given!r} has no get_credentials()")
    provider: CredentialProvider = given
    return provider


def _address(url: Url, tls: ssl.SSLContext | None, transport: Mapping[str, Any], common: Mapping[str, Any]) -> Address:
    query = url.query
    password = url.password if url.password is not None else query.get("password")
    user = url.user or query.get("username")
    path: str | None = None
    db: object = url.path
    if url.scheme in _UNIX_SCHEMES:
        path = "/" + url.path if not url.host else f"/{url.host}/{url.path}"
        db = query.get("virtual_host") or query.get("db") or 0
    elif "db" in query or "virtual_host" in query:
        db = query.get("db") or query.get("virtual_host") or 0
    return Address(
        host=url.host or "127.0.0.1",
        port=url.port or DEFAULT_PORT,
        path=path,
        db=_database(db, url.public()),
        user=user,
        password=password,
        credentials=_provider(transport.get("credential_provider") or query.get("credential_provider")),
        tls=tls,
        **common,
    )


def addresses(
    texts: Sequence[str],
    *,
    tls: bool | Mapping[str, Any] | None,
    transport: Mapping[str, Any],
    connect_timeout: float,
    client_name: str | None,
) -> tuple[Address, ...]:
    """The servers of a failover list, in order. All ``sentinel://`` URLs together are one.

    Raises:
        ImproperlyConfigured: a URL or an option cannot be used; the text names it.
    """
    timeout = transport.get("socket_connect_timeout")
    common = {"client_name": transport.get("client_name") or client_name, "connect_timeout": float(timeout or connect_timeout)}
    found: list[Address] = []
    sentinels: list[Url] = []
    for text in texts:
        url = urls.parse(text)
        if url.scheme == "sentinel":
            sentinels.append(url)
            continue
        options = dict(url.query) if any(name.startswith("ssl_") for name in url.query) else {}
        options.update(tls if isinstance(tls, Mapping) else {})
        options = {name: value for name, value in options.items() if name.startswith("ssl_") or isinstance(tls, Mapping)}
        context = _tls_context(options) if url.scheme in _TLS_SCHEMES or tls else None
        found.append(_address(url, context, transport, common))
    if sentinels:
        found.append(_by_sentinel(sentinels, tls, transport, common))
    return tuple(found)


def _by_sentinel(
    found: Sequence[Url], tls: bool | Mapping[str, Any] | None, transport: Mapping[str, Any], common: Mapping[str, Any]
) -> Address:
    service = transport.get("master_name") or next((url.query["master_name"] for url in found if url.query.get("master_name")), None)
    if not service:
        raise ImproperlyConfigured(
            "a sentinel:// URL needs the name of the service that the sentinels watch: "
            "broker_transport_options['master_name'], or ?master_name=… in the URL"
        )
    own = transport.get("sentinel_kwargs") or {}
    context = _tls_context(tls if isinstance(tls, Mapping) else {}) if tls else None
    sentinel_context = _tls_context(own) if own.get("ssl") else None
    nodes = tuple(
        Address(
            host=url.host or "127.0.0.1",
            port=url.port or SENTINEL_PORT,
            user=own.get("username"),
            password=own.get("password"),
            tls=sentinel_context,
            connect_timeout=common["connect_timeout"],
        )
        for url in found
    )
    named = next((url for url in found if url.path), found[0])
    who = next((url for url in found if url.password), named)
    base = _address(replace(named, user=who.user, password=who.password), context, transport, common)
    return replace(
        base, sentinels=Sentinels(addresses=nodes, service=str(service), min_others=int(transport.get("min_other_sentinels") or 0))
    )
