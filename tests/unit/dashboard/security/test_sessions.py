"""Sessions end, and guessing takes long."""

from __future__ import annotations

from umbel.dashboard.security.people import Person, Role
from umbel.dashboard.security.sessions import ATTEMPTS, WAIT, Attempts, Sessions
from umbel.testing import FakeClock

ANN = Person("ann", Role.ADMIN)


def test_a_session():
    sessions = Sessions(100, 10, FakeClock())
    token = sessions.begin(ANN)
    assert token != sessions.begin(ANN)
    assert sessions.find(token) is ANN
    assert sessions.find("other") is None
    sessions.end(token)
    assert sessions.find(token) is None


def test_an_idle_session_ends():
    clock = FakeClock()
    sessions = Sessions(100, 10, clock)
    token = sessions.begin(ANN)
    clock.advance(9)
    assert sessions.find(token) is ANN
    clock.advance(11)
    assert sessions.find(token) is None


def test_a_busy_session_ends_too():
    clock = FakeClock()
    sessions = Sessions(100, 10, clock)
    token = sessions.begin(ANN)
    for _ in range(12):
        clock.advance(9)
        sessions.find(token)
    assert sessions.find(token) is None


def test_guessing():
    clock = FakeClock()
    attempts = Attempts(clock)
    for _ in range(ATTEMPTS):
        assert attempts.wait("address a", "name ann") == 0
        attempts.fail("address a", "name ann")
    assert attempts.wait("address a", "name bob") == WAIT
    assert attempts.wait("address b", "name ann") == WAIT
    assert attempts.wait("address b", "name bob") == 0
    clock.advance(WAIT)
    assert attempts.wait("address a", "name ann") == 0


def test_success_is_forgiving():
    attempts = Attempts(FakeClock())
    for _ in range(ATTEMPTS - 1):
        attempts.fail("name ann")
    attempts.succeed("name ann")
    attempts.fail("name ann")
    assert attempts.wait("name ann") == 0
