"""`Desk`: what every request needs, and how it finds it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import HTTPConnection

from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.options import DashboardOptions
from umbel.dashboard.security.checks import Tokens
from umbel.dashboard.security.people import Person, Role
from umbel.dashboard.security.sessions import Attempts, Sessions

#: Visitors whose notes are kept.
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Note:
    """A line that the next page of a visitor shows. Kind: ok or error."""

    kind: str
    text: str


class Notes:
    """Lines for visitors, each shown once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, list[Note]] = OrderedDict()

    def leave(self, visit: str, kind: str, text: str) -> None:
        """Leave a line.

        Args:
            visit: whose.
            kind: ok or error.
            text: in words.
        """
        with self._lock:
            self._kept.setdefault(visit, []).append(Note(kind, text[:1_000]))
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def take(self, visit: str) -> list[Note]:
        """Take the lines for a ``visit``."""
        with self._lock:
            return self._kept.pop(visit, [])


class Desk:
    """The parts of one dashboard.

    Args:
        monitor: what it knows.
        options: how it is run.
    """

    def __init__(self, monitor: Monitor, options: DashboardOptions) -> None:
        self.monitor = monitor
        self.options = options
        self.sessions: Sessions = Sessions(options.session, options.idle)
        self.attempts: Attempts = Attempts()
        self.tokens: Tokens = Tokens()
        self.notes: Notes = Notes()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Person or program that asks: the gate puts it into the request."""

    person: Person | None
    #: Value of the cookie by which a browser is known again.
    visit: str
    #: That forms of this visitor carry.
    token: str
    #: Of the scripts and styles of this answer.
    nonce: str
    address: str

    def may(self, role: Role) -> bool:
        """Report whether this visitor has the ``role``, or a higher one."""
        return self.person is not None and self.person.role >= role


def desk_of(request: HTTPConnection) -> Desk:
    """Return the desk at which a ``request`` came in."""
    found: Desk = request.app.state.desk
    return found


def visitor_of(request: HTTPConnection) -> Visitor:
    """Return who makes a ``request``."""
    found: Visitor = request.scope["umbel.visitor"]
    return found


def address_of(scope: Any, trusted: frozenset[str]) -> str:
    """Return the address of whoever asks; behind a trusted proxy, the one that it tells.

    Args:
        scope: of the request.
        trusted: addresses of proxies.
    """
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if address in trusted:
        for name, value in scope.get("headers", ()):
            if name == b"x-forwarded-for":
                return str(value.decode("latin-1").rpartition(",")[2].strip()[:100]) or address
    return address
