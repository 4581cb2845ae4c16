from __future__ import annotations

import threading

import pytest

from umbel.events.snapshot import Polaroid
from umbel.events.state import State


class Camera(Polaroid):
    cleaned = 0

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.shots = []
        self.taken = threading.Semaphore(0)

    def on_shutter(self, state):
        self.shots.append(state.event_count)
        self.taken.release()
        if len(self.shots) == 1:
            raise RuntimeError("logged, and the next one is taken all the same")

    def on_cleanup(self):
        self.cleaned += 1


def heard(state):
    state.event({"type": "worker-heartbeat", "hostname": "w1", "clock": 1, "timestamp": 1.0})


def test_snapshots_are_taken_until_the_end_and_once_more_then():
    state = State()
    with Camera(state, freq=0.01) as camera:
        assert camera.taken.acquire(timeout=10)
        assert camera.taken.acquire(timeout=10)
        heard(state)
    assert camera.shots[-1] == 1
    taken = len(camera.shots)
    camera.cancel()
    assert len(camera.shots) == taken


def test_the_rate_bounds_them_but_not_the_last():
    with Camera(State(), freq=1000, maxrate="1/h") as camera:
        with pytest.raises(RuntimeError):
            camera.capture()
        camera.capture()
        assert len(camera.shots) == 1
    assert len(camera.shots) == 2
    with pytest.raises(ValueError, match="must be a rate"):
        Camera(State(), maxrate="often")


def test_the_state_is_cleared_where_that_is_wanted():
    state = State()
    heard(state)
    camera = Camera(state)
    camera.clear_after = True
    with pytest.raises(RuntimeError):
        camera.capture()
    assert not state.workers


def test_signals_and_cleanup():
    state, told = State(), []

    def on_shutter(sender, **_):
        told.append(sender)

    Polaroid.shutter_signal.connect(on_shutter)
    Polaroid.cleanup_signal.connect(on_shutter)
    try:
        camera = Camera(state)
        camera.cleanup()
        with pytest.raises(RuntimeError):
            camera.shutter()
    finally:
        Polaroid.shutter_signal.disconnect(on_shutter)
        Polaroid.cleanup_signal.disconnect(on_shutter)
    assert (told, camera.cleaned) == ([state, state], 1)


def test_a_timer_of_celerys_kind_is_used():
    calls = []

    class Timer:
        def call_repeatedly(self, seconds, function):
            calls.append(seconds)

            class Handle:
                cancel = staticmethod(lambda: None)
                __call__ = staticmethod(function)

            return Handle()

    class Quiet(Polaroid):
        pass

    with Quiet(State(), 2.5, timer=Timer(), cleanup_freq=10.0, app="app") as camera:
        assert camera.app == "app"
    assert calls == [2.5, 10.0]
