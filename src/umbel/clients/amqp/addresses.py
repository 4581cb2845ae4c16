"""Addresses of brokers, and how to log in: URL and options → `Address`. TLS contexts are made here too."""

from __future__ import annotations

import random
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from umbel._version import __version__
from umbel.clients import urls
from umbel.clients.base import ConnectionOptions
from umbel.errors import ImproperlyConfigured
from umbel.wire.amqp.connection import Login
from umbel.wire.amqp.fastpath import DEFAULT_FRAME_MAX

_PORT, _TLS_PORT = 5672, 5671
_METHODS = ("PLAIN", "AMQPLAIN", "EXTERNAL")
#: Names in the query of an amqps:// URL (RabbitMQ's, then Python's) → names in ``BrokerOptions.ssl``.
_TLS_QUERY = {
    "cacertfile": "ca_certs",
    "certfile": "certfile",
    "keyfile": "keyfile",
    "server_name_indication": "server_hostname",
    "ca_certs": "ca_certs",
    "ssl_ca_certs": "ca_certs",
    "ssl_certfile": "certfile",
    "ssl_keyfile": "keyfile",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One broker node."""

    host: str
    port: int
    login: Login
    #: Keyword arguments for TLS, or ``None`` for none.
    tls: Mapping[str, Any] | None
    #: Seconds.
    connect_timeout: float
    #: Without password, for logs and errors.
    public: str

    def __str__(self) -> str:
        return self.public


def addresses(options: ConnectionOptions, *, heartbeat: float) -> tuple[Address, ...]:
    """All nodes of a failover list.

    Raises:
        ImproperlyConfigured: a URL or option cannot be used.
    """
    if not options.urls:
        raise ImproperlyConfigured("there is no broker URL")
    return tuple(address(text, options, heartbeat=heartbeat) for text in options.urls)


def address(text: str, options: ConnectionOptions, *, heartbeat: float) -> Address:
    """One node. Virtual hosts follow Celery: ``amqp://h``, ``amqp://h/`` and ``amqp://h//`` are ``/``; ``amqp://h/name`` is ``name``."""
    url = urls.parse(text)
    tls = _tls(url, options)
    login = _login(url, options, heartbeat)
    host = url.host or "localhost"
    return Address(
        host=host,
        port=url.port or (_PORT if tls is None else _TLS_PORT),
        login=login,
        tls=tls,
        connect_timeout=_number(url.query.get("connection_timeout"), "connection_timeout", options.connect_timeout),
        public=urls.Url(
            scheme="amqp" if tls is None else "amqps",
            user=url.user,
            password="**" if url.password else None,
            host=host,
            port=url.port,
            path="" if login.vhost == "/" else login.vhost,
        ).public(),
    )


def _login(url: urls.Url, options: ConnectionOptions, heartbeat: float) -> Login:
    mechanism = (options.login_method or url.query.get("login_method") or url.query.get("auth_mechanism") or "PLAIN").upper()
    if mechanism not in _METHODS:
        raise ImproperlyConfigured(f"the login method {mechanism!r} is not known: expected {', '.join(_METHODS)}")
    transport = options.transport
    return Login(
        user="guest" if url.user is None else url.user,
        password="guest" if url.user is None and url.password is None else url.password or "",
        vhost=url.path if url.path not in ("", "/") else "/",
        mechanism=mechanism,
        heartbeat=max(0, round(_number(url.query.get("heartbeat"), "heartbeat", heartbeat))) if heartbeat else 0,
        frame_max=min(max(4096, int(transport.get("frame_max") or DEFAULT_FRAME_MAX)), 16 * 1024 * 1024),
        channel_max=int(transport.get("channel_max") or 2047),
        properties={
            "version": __version__,
            "connection_name": options.name,
            "information": f"{socket.gethostname()} {sys.argv[0] if sys.argv else ''}".strip(),
            **dict(transport.get("client_properties") or {}),
        },
    )


def in_order(nodes: tuple[Address, ...], strategy: str, first: int = 0) -> Iterator[Address]:
    """The order in which to try nodes, each once, starting where the last success was."""
    order = list(nodes[first:] + nodes[:first])
    if strategy == "shuffle":
        random.shuffle(order)
    return iter(order)


def _number(text: str | None, name: str, default: float) -> float:
    if text is None:
        return default
    try:
        return float(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} in the broker URL is {text!r}: expected a number of seconds") from error


def _tls(url: urls.Url, options: ConnectionOptions) -> Mapping[str, Any] | None:
    asked = options.ssl
    truth = (url.query.get("ssl") or "").lower() in ("true", "1", "yes", "on")
    if url.scheme != "amqps" and not asked and not truth:
        return None
    found: dict[str, Any] = {_TLS_QUERY[key]: value for key, value in url.query.items() if key in _TLS_QUERY}
    verify = url.query.get("verify") or url.query.get("ssl_cert_reqs")
    if verify:
        found["cert_reqs"] = ssl.CERT_NONE if verify.lower() in ("verify_none", "cert_none", "none", "0") else ssl.CERT_REQUIRED
    if isinstance(asked, Mapping):
        found.update(asked)
    return found


def tls_context(settings: Mapping[str, Any]) -> ssl.SSLContext:
    """A context from Celery's ``broker_use_ssl`` keys. The peer is verified unless ``cert_reqs`` says otherwise.

    Raises:
        ImproperlyConfigured: a file cannot be read, or a value is not known.
    """
    context = settings.get("context")
    if isinstance(context, ssl.SSLContext):
        return context
    try:
        made = ssl.create_default_context(cafile=settings.get("ca_certs"), capath=settings.get("ca_cert_path"))
        required = _cert_reqs(settings.get("cert_reqs"))
        if required == ssl.CERT_NONE or settings.get("check_hostname") is False:
            made.check_hostname = False
        made.verify_mode = required
        if settings.get("certfile"):
            made.load_cert_chain(
                settings["certfile"], settings.get("keyfile"), settings.get("keyfile_password") or settings.get("password")
            )
        if settings.get("ciphers"):
            made.set_ciphers(settings["ciphers"])
    except (OSError, ValueError, ssl.SSLError) as error:
        files = {key: settings[key] for key in ("ca_certs", "certfile", "keyfile") if settings.get(key)}
        raise ImproperlyConfigured(f"TLS to the broker cannot be set up with {files}: {error}") from error
    return made


def _cert_reqs(value: Any) -> ssl.VerifyMode:
    if value is None:
        return ssl.CERT_REQUIRED
    if isinstance(value, str):
        name = value.upper() if value.upper().startswith("CERT_") else f"CERT_{value.upper()}"
        if name not in ssl.VerifyMode.__members__:
            raise ImproperlyConfigured(f"cert_reqs is {value!r}: expected CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE")
        return ssl.VerifyMode[name]
    return ssl.VerifyMode(value)
