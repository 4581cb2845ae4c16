"""Logging in and out."""

from __future__ import annotations

import math

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from umbel.dashboard.security.people import known
from umbel.dashboard.web.acting import local
from umbel.dashboard.web.desk import desk_of, visitor_of
from umbel.dashboard.web.gate import SESSION_COOKIE, cookie, cookies_of
from umbel.dashboard.web.rendering import show


async def login(request: Request) -> Response:
    """Show the form, or take it."""
    desk, visitor, root = desk_of(request), visitor_of(request), request.scope.get("root_path", "")
    if request.method != "POST":
        target = local(request.query_params.get("next", ""), root)
        return RedirectResponse(target, 303) if visitor.person else show(request, "login.html", target=target, problem="", name="")
    form = await request.form(max_files=0, max_fields=20)
    name, password, target = str(form.get("name", ""))[:200], str(form.get("password", ""))[:1_000], local(str(form.get("next", "")), root)
    keys = (f"address {visitor.address}", f"name {name}")
    wait = desk.attempts.wait(*keys)
    if wait > 0:
        text = f"Too many attempts. Try again in {math.ceil(wait / 60)} min."
        answer: Response = show(request, "login.html", 429, target=target, problem=text, name=name)
        answer.headers["retry-after"] = str(math.ceil(wait))
        return answer
    person = await run_in_threadpool(known, desk.options.people, name, password)
    if person is None:
        desk.attempts.fail(*keys)
        await run_in_threadpool(desk.monitor.audit.note, name or "nobody", visitor.address, "log in", "", {}, "refused")
        return show(request, "login.html", 401, target=target, problem="Name or password is wrong.", name=name)
    desk.attempts.succeed(*keys)
    desk.sessions.end(cookies_of(request.headers.get("cookie", "")).get(SESSION_COOKIE, ""))
    await run_in_threadpool(desk.monitor.audit.note, name, visitor.address, "log in", "", {}, "done")
    answer = RedirectResponse(target, 303)
    answer.headers.append("set-cookie", _session(request, desk.sessions.begin(person), int(desk.options.session)))
    return answer


async def logout(request: Request) -> Response:
    """End the session."""
    desk_of(request).sessions.end(cookies_of(request.headers.get("cookie", "")).get(SESSION_COOKIE, ""))
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}/login", 303)
    answer.headers.append("set-cookie", _session(request, "", 0))
    return answer


def _session(request: Request, token: str, seconds: int) -> str:
    is_secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    return cookie(SESSION_COOKIE, token, request.scope, is_secure=is_secure, seconds=seconds)


ROUTES = [Route("/login", login, methods=["GET", "POST"]), Route("/logout", logout, methods=["POST"])]
