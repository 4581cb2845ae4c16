"""A clock that stands still."""

from __future__ import annotations

from umbel.testing import FakeClock


def test_it_moves_when_it_is_told():
    clock = FakeClock()
    before = (clock.now(), clock.monotonic())
    assert (clock.now(), clock.monotonic()) == before
    clock.advance(1.5)
    assert (clock.now() - before[0], clock.monotonic() - before[1]) == (1.5, 1.5)
