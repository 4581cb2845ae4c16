"""`Sessions` of people who have logged in, and `Attempts` at it. In memory: a restart logs everybody out."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from umbel.dashboard.security.people import Person
from umbel.runtime.clock import SYSTEM, Clock

#: Sessions at most; the oldest give way.
_MOST: Final = 10_000
#: Failed logins from one address, or for one name, before the next has to wait, and the seconds of the wait.
ATTEMPTS: Final = 5
WAIT: Final = 300.0


@dataclass(slots=True)
class _Session:
    person: Person
    begun: float
    seen: float


class Sessions:
    """People by the token of their cookie.

    Args:
        lifetime: seconds after which somebody has to log in again.
        idle: seconds after which somebody who has done nothing has to.
        clock: tells the time.
    """

    def __init__(self, lifetime: float, idle: float, clock: Clock = SYSTEM) -> None:
        self._lifetime = lifetime
        self._idle = idle
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, person: Person) -> str:
        """Begin a session of a ``person``; returns its token, a new one always."""
        token, now = secrets.token_urlsafe(32), self._clock.monotonic()
        with self._lock:
            self._kept[_digest(token)] = _Session(person, now, now)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return token

    def find(self, token: str) -> Person | None:
        """Return whose session has this ``token``; ``None`` where it has ended."""
        key, now = _digest(token), self._clock.monotonic()
        with self._lock:
            session = self._kept.get(key)
            if session is None:
                return None
            if now - session.begun > self._lifetime or now - session.seen > self._idle:
                del self._kept[key]
                return None
            session.seen = now
            return session.person

    def end(self, token: str) -> None:
        """End the session that has this ``token``."""
        with self._lock:
            self._kept.pop(_digest(token), None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Attempts:
    """Counts failed logins.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, *keys: str) -> float:
        """Return the seconds until one may try again under all these ``*keys`` (an address, a name); 0: now."""
        now = self._clock.monotonic()
        with self._lock:
            return max((self._wait(key, now) for key in keys), default=0.0)

    def _wait(self, key: str, now: float) -> float:
        recent = [when for when in self._failed.get(key, ()) if now - when < WAIT]
        return WAIT - (now - recent[-ATTEMPTS]) if len(recent) >= ATTEMPTS else 0.0

    def fail(self, *keys: str) -> None:
        """Count a failure under each of the ``*keys``."""
        now = self._clock.monotonic()
        with self._lock:
            for key in keys:
                recent = [when for when in self._failed.pop(key, ()) if now - when < WAIT]
                self._failed[key] = [*recent, now][-ATTEMPTS:]
            while len(self._failed) > _MOST:
                self._failed.popitem(last=False)

    def succeed(self, *keys: str) -> None:
        """Forget the failures under these ``*keys``."""
        with self._lock:
            for key in keys:
                self._failed.pop(key, None)
