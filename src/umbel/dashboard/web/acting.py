"""Actions: what a form does. Each has a name for the audit log, the role that it needs, and, if it cannot be undone, a name that must be typed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from umbel.cli.remote.tables import sentence
from umbel.dashboard.security.people import Role
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import Desk, Visitor, desk_of, visitor_of
from umbel.errors import ImproperlyConfigured, UmbelError

logger: logging.Logger = logging.getLogger("umbel.dashboard")

#: Fields of a form that are none of the action's arguments.
_OURS: Final = frozenset({"token", "next", "typed"})


class Refused(ImproperlyConfigured):
    """An error: what was asked for cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """One thing that somebody wants done."""

    desk: Desk
    visitor: Visitor
    #: The task, queue, worker or entry that it is about; empty where it is about none.
    subject: str
    #: The fields of the form, and those that are there several times.
    fields: Mapping[str, str]
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """Return a field, without spaces around it.

        Args:
            name: of the field.
            default: where it is not there.
        """
        return self.fields.get(name, default).strip()

    def number(self, name: str, least: float, most: float) -> float:
        """Return a field that is a number.

        Args:
            name: of the field.
            least: it may be.
            most: it may be.

        Raises:
            Refused: it is none, or out of bounds.
        """
        try:
            value = float(self.get(name))
        except ValueError:
            raise Refused(f"{name}: expected a number, got {self.get(name)[:40]!r}") from None
        if not least <= value <= most:
            raise Refused(f"{name}: expected a number from {least:g} to {most:g}, got {value:g}")
        return value


#: Does something; returns what was done, in words.
Deed = Callable[[Order], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A kind of thing that can be done."""

    name: str
    path: str
    role: Role
    do: Deed
    #: What it is about must be typed first.
    is_dangerous: bool = False

    @property
    def route(self) -> Route:
        """The route by which a form reaches it."""
        return Route(self.path, self._answer, methods=["POST"], name=self.name)

    @property
    def for_programs(self) -> Route:
        """The route by which a program reaches it; its fields are a JSON object."""
        return Route(f"/api/v1{self.path}", self._answer_program, methods=["POST"], name=f"api {self.name}")

    async def _answer_program(self, request: Request) -> Response:
        try:
            given = await document_of(request)
        except Refused as error:
            return JSONResponse({"error": str(error)}, 400)
        lists = {name: [str(each) for each in value] for name, value in given.items() if name == "id" and isinstance(value, list)}
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items() if value is not None}
        subject = str(next(iter(request.path_params.values()), ""))
        order = Order(desk_of(request), visitor_of(request), subject, fields, lists)
        is_done, text = await run_in_threadpool(self.perform, order)
        status = 200 if is_done else 400 if order.visitor.may(self.role) else 403
        return JSONResponse({"ok": text} if is_done else {"error": text}, status)

    async def _answer(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=1_200)
        fields = {name: str(value) for name, value in form.items()}
        lists = {name: [str(value) for value in form.getlist(name)] for name in form}
        subject = str(next(iter(request.path_params.values()), ""))
        order = Order(desk_of(request), visitor_of(request), subject, fields, lists)
        is_done, text = await run_in_threadpool(self.perform, order)
        order.desk.notes.leave(order.visitor.visit, "ok" if is_done else "error", text)
        return RedirectResponse(local(fields.get("next", ""), request.scope.get("root_path", "")), 303)

    def perform(self, order: Order) -> tuple[bool, str]:
        """Do it, if this visitor may, and keep in the audit log how it went; returns whether it was done, and words.

        Args:
            order: what is wanted.
        """
        try:
            if not order.visitor.may(self.role):
                raise Refused(f"this needs the role {self.role.name.lower()}")
            if self.is_dangerous and order.get("typed") != order.subject:
                raise Refused(f"to do this, type the name {order.subject!r}")
            is_done, text = True, self.do(order)
        except UmbelError as error:
            is_done, text = False, str(error)
        except Exception as error:
            logger.exception("The action %s failed", self.name)
            is_done, text = False, f"it failed: {type(error).__name__}: {error}"
        monitor, person = order.desk.monitor, order.visitor.person
        given = {name: value for name, value in order.fields.items() if name not in _OURS and value}
        detail = words.without_secrets(given, order.desk.options.hide)
        outcome = text if is_done else f"not done: {text}"
        monitor.audit.note(person.name if person else "nobody", order.visitor.address, self.name, order.subject, detail, outcome)
        monitor.answers.forget("")
        monitor.asking.hurry()
        monitor.changes.tell("tasks", "queues", "workers", "schedules", "audit")
        return is_done, sentence_of(text)


def sentence_of(text: str) -> str:
    """Begin a ``text`` with a capital letter, unless its first word is a name."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


async def document_of(request: Request) -> dict[str, Any]:
    """Read the JSON object that is the body of a ``request``; none is an empty one.

    Raises:
        Refused: it is something else.
    """
    body = await request.body()
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused("the body is a JSON object, with the fields by name")
    return found


def local(target: str, root: str) -> str:
    """Return where to go after an action: a path of this site, never another site.

    Args:
        target: as the form says.
        root: the path below which the dashboard is.
    """
    is_ours = target.startswith(f"{root}/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if is_ours else f"{root}/"


def told(replies: Sequence[Mapping[str, Any]] | None, done: str) -> str:
    """Say how workers have answered.

    Args:
        replies: as `Control.broadcast` returns them.
        done: in words: what they did.

    Raises:
        Refused: none has answered, or one could not do it.
    """
    found = [(node, *sentence(reply)) for each in replies or () for node, reply in each.items()]
    if not found:
        raise Refused("no worker has answered in time")
    wrong = [f"{node}: {text}" for node, is_ok, text in found if not is_ok]
    if wrong:
        raise Refused("; ".join(wrong))
    return f"{done} ({len(found)} worker{'s' if len(found) != 1 else ''} answered)"
