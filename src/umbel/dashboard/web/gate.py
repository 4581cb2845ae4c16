"""`Gate`: every request passes it. It refuses foreign hosts and what another site sent, finds out who asks, and puts the headers on the answer."""

from __future__ import annotations

import base64
import logging
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umbel.dashboard.security.checks import is_known_host, is_meant, security_headers
from umbel.dashboard.security.people import ANYBODY, Person, known
from umbel.dashboard.web.desk import Desk, Visitor, address_of
from umbel.runtime.logs import escape

logger: logging.Logger = logging.getLogger("umbel.dashboard")

VISIT_COOKIE: Final = "umbel_visit"
SESSION_COOKIE: Final = "umbel_session"
#: What is there for anybody.
OPEN: Final = frozenset({"/login", "/healthcheck"})
#: Bytes of a form or a document.
MOST_BODY: Final = 1_000_000
#: The header that carries the token where no form does.
TOKEN_HEADER: Final = "x-csrf-token"  # noqa: S105 - a name


class Gate:
    """The outermost part of the dashboard.

    Args:
        app: what is behind it.
        desk: who may log in, and how.
    """

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk
        self._hosts = frozenset(host.lower() for host in desk.options.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        cookies = cookies_of(headers.get("cookie", ""))
        visit = cookies.get(VISIT_COOKIE, "")
        is_new = not 20 < len(visit) < 100
        visit = secrets.token_urlsafe(24) if is_new else visit
        nonce = secrets.token_urlsafe(16)
        address = address_of(scope, self._desk.options.trusted_proxies)
        is_secure = scope.get("scheme") == "https" or headers.get("x-forwarded-proto") == "https"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in security_headers(nonce):
                    found[name] = value
                found.setdefault("cache-control", "no-store")
                if is_new and not path.startswith(("/static/", "/api/", "/metrics", "/healthcheck")):
                    found.append("set-cookie", cookie(VISIT_COOKIE, visit, scope, is_secure=is_secure))
            await send(message)

        answer = await self._refusal(
            scope, path, headers, cookies, Visitor(None, visit, self._desk.tokens.of(visit), nonce, address), receive
        )
        if isinstance(answer, Response):
            await answer(scope, receive, guarded)
            return
        await self._app(scope, answer, guarded)

    async def _refusal(
        self, scope: Scope, path: str, headers: Headers, cookies: dict[str, str], visitor: Visitor, receive: Receive
    ) -> Response | Receive:
        """Return the answer to a request that does not come in; for one that does, what its body is read from."""
        options = self._desk.options
        if not is_known_host(headers.get("host", ""), self._hosts, is_open=not options.asks_for_names):
            return PlainTextResponse("This dashboard is not known by this name (--allow-host).\n", 421)
        try:
            too_long = int(headers.get("content-length", "0")) > MOST_BODY
        except ValueError:
            too_long = True
        if too_long:
            return PlainTextResponse(f"A request has {MOST_BODY:,} bytes at most.\n", 413)
        person, by_header = await self._person(scope, headers, cookies, visitor.address)
        scope["umbel.visitor"] = Visitor(person, visitor.visit, visitor.token, visitor.nonce, visitor.address)
        reading = bounded(receive)
        if scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            reason, reading = await self._is_meant(scope, path, headers, visitor, reading, by_header=by_header)
            if reason is not None:
                logger.warning("%s %s from %s refused: %s", scope["method"], escape(path), visitor.address, reason)
                return PlainTextResponse(f"Refused: {reason}.\n", 403)
        if person is None and not self._is_open(path):
            return self._ask(scope, path, headers)
        return reading

    def _is_open(self, path: str) -> bool:
        return path in OPEN or path.startswith("/static/") or (path == "/metrics" and self._desk.options.open_metrics)

    def _ask(self, scope: Scope, path: str, headers: Headers) -> Response:
        if self._desk.options.basic or "authorization" in headers:
            return PlainTextResponse("Who are you?\n", 401, {"www-authenticate": 'Basic realm="Umbel", charset="UTF-8"'})
        if path.startswith(("/api/", "/metrics", "/stream")) or scope["method"] != "GET" or not self._desk.options.people:
            return PlainTextResponse("Log in first.\n", 401)
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"{scope.get('root_path', '')}/login?next={quote(target, safe='')}", 303)

    async def _person(self, scope: Scope, headers: Headers, cookies: dict[str, str], address: str) -> tuple[Person | None, bool]:
        """Find out who asks, and whether the request itself says so, which no other site can make a browser do."""
        options = self._desk.options
        if not options.asks_for_names:
            return ANYBODY, False
        if options.proxy_header is not None:
            name = headers.get(options.proxy_header, "")
            if name and scope.get("client") and scope["client"][0] in options.trusted_proxies:
                return options.people.get(name) or Person(name[:200], options.proxy_role), False
        session = self._desk.sessions.find(cookies.get(SESSION_COOKIE, ""))
        if session is not None:
            return session, False
        name, password = basic_of(headers.get("authorization", ""))
        if not name or self._desk.attempts.wait(f"address {address}", f"name {name}"):
            return None, False
        person = await run_in_threadpool(known, options.people, name, password)
        if person is None:
            self._desk.attempts.fail(f"address {address}", f"name {name}")
        return person, not options.basic

    async def _is_meant(
        self, scope: Scope, path: str, headers: Headers, visitor: Visitor, receive: Receive, *, by_header: bool
    ) -> tuple[str | None, Receive]:
        token, is_interface = headers.get(TOKEN_HEADER, ""), path.startswith("/api/")
        if not token and not is_interface:
            body = await read(receive)
            receive = replay(body)
            form = await Request(scope, replay(body)).form(max_files=0, max_fields=1_200)
            token = str(form.get("token", ""))
        return is_meant(scope["method"], headers, token, visitor.token, by_program=by_header or is_interface), receive


def cookies_of(header: str) -> dict[str, str]:
    """Read a ``Cookie`` ``header``; what cannot be read is none."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def cookie(name: str, value: str, scope: Scope, *, is_secure: bool, seconds: int | None = None) -> str:
    """Write a cookie that only this site gets, and no script reads.

    Args:
        name: of it.
        value: of it.
        scope: of the request.
        is_secure: it is sent over TLS only.
        seconds: it lives; as long as the browser when not given.
    """
    parts = [f"{name}={value}", f"Path={scope.get('root_path') or '/'}", "HttpOnly", "SameSite=Lax"]
    if is_secure:
        parts.append("Secure")
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    return "; ".join(parts)


def basic_of(header: str) -> tuple[str, str]:
    """Read name and password of an ``Authorization`` ``header``; empty ones where it has none."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic" or len(text) > 2_000:
        return "", ""
    try:
        name, _, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return "", ""
    return name, password


def bounded(receive: Receive) -> Receive:
    """Return what reads a body as ``receive`` does, and drops what is too much of one that did not say its length."""
    seen = 0

    async def reading() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BODY:
            return {"type": "http.disconnect"}
        return message

    return reading


async def read(receive: Receive) -> bytes:
    """Read a whole body by ``receive``."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


def replay(body: bytes) -> Any:
    """Return what hands out a ``body`` once more."""
    done = False

    async def reading() -> Message:
        nonlocal done
        if done:
            return {"type": "http.disconnect"}
        done = True
        return {"type": "http.request", "body": body, "more_body": False}

    return reading
