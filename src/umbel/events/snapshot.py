"""`Polaroid`: looks at a `State` again and again and hands it to code of your own. Names and arguments are Celery's (`celery.events.snapshot`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Final, Self

from umbel.events.state import State
from umbel.hooks import Signal
from umbel.runtime.clock import SYSTEM
from umbel.runtime.rates import rate

logger: logging.Logger = logging.getLogger("umbel.events")

#: Seconds between two calls of `Polaroid.on_cleanup`, unless told otherwise (Celery's).
CLEANUP_FREQ: Final = 3600.0
#: Seconds that a call which runs is waited for at the end.
_PATIENCE: Final = 10.0


class Repeated:
    """Calls a function again and again, on a thread of its own. Calling it calls the function now.

    Args:
        seconds: between two calls.
        function: what it raises is logged.
    """

    def __init__(self, seconds: float, function: Callable[[], object]) -> None:
        self._seconds = seconds
        self._function = function
        self._one_at_a_time = threading.Lock()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umbel-snapshot", daemon=True)
        self._thread.start()

    def __call__(self) -> None:
        with self._one_at_a_time:
            try:
                self._function()
            except Exception:
                logger.exception("a snapshot failed; the next one comes in %g s", self._seconds)

    def cancel(self) -> None:
        """End it; a call that runs is waited for."""
        self._cancelled.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._cancelled.wait(self._seconds):
            self()


class Timer:
    """Makes calls repeat."""

    def call_repeatedly(self, secs: float, fun: Callable[[], object]) -> Repeated:
        """Call a function again and again.

        Args:
            secs: seconds between two calls.
            fun: the function.
        """
        return Repeated(secs, fun)


class Polaroid:
    """A camera: derive from it, and write `on_shutter`. ``umbel events --camera`` runs it; in a program of your own it is a context manager.

    Args:
        state: of the cluster; events are fed to it by somebody else.
        freq: seconds between two snapshots.
        maxrate: the most snapshots: ``"10/m"``, or a number for a second; those beyond it are left out.
        cleanup_freq: seconds between two calls of `on_cleanup`.
        timer: makes calls repeat: anything that has ``call_repeatedly(seconds, function)``.
        app: for the camera's own code.

    Raises:
        ValueError: the rate is none.
    """

    timer: Any = None
    #: Forget tasks that have ended, and workers, after each snapshot.
    clear_after: bool = False
    #: Receivers are called with ``sender=state`` for each snapshot, and before each cleanup.
    shutter_signal: ClassVar[Signal] = Signal("shutter_signal")
    cleanup_signal: ClassVar[Signal] = Signal("cleanup_signal")

    def __init__(
        self,
        state: State,
        freq: float = 1.0,
        maxrate: float | str | None = None,
        cleanup_freq: float = CLEANUP_FREQ,
        timer: Any = None,
        app: Any = None,
    ) -> None:
        self.state = state
        self.freq = freq
        self.cleanup_freq = cleanup_freq
        self.timer = timer or self.timer or Timer()
        self.app = app
        self.logger = logger
        self.maxrate: float | None = rate(maxrate)
        self._next = 0.0
        self._repeated: list[Any] = []

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def install(self) -> None:
        """Begin to take snapshots."""
        self._repeated = [
            self.timer.call_repeatedly(self.freq, self.capture),
            self.timer.call_repeatedly(self.cleanup_freq, self.cleanup),
        ]

    def cancel(self) -> None:
        """Take a last snapshot, of what has come since the one before, and end."""
        repeated, self._repeated = self._repeated, []
        self._next = 0.0  # the rate must not lose the last one
        if repeated:
            repeated[0]()
        for each in repeated:
            each.cancel()

    def on_shutter(self, state: State) -> None:
        """Do something with a snapshot; no event changes the state meanwhile. Write this one.

        Args:
            state: of the cluster.
        """

    def on_cleanup(self) -> None:
        """Clean up what was written, say; does nothing unless it is overridden."""

    def cleanup(self) -> None:
        """Tell receivers and call `on_cleanup`."""
        self.cleanup_signal.send(sender=self.state)
        self.on_cleanup()

    def shutter(self) -> None:
        """Tell receivers and call `on_shutter`, unless that would be oftener than the rate allows."""
        now = SYSTEM.monotonic()
        if self.maxrate is not None:
            if now < self._next:
                return
            self._next = now + 1.0 / self.maxrate
        self.shutter_signal.send(sender=self.state)
        self.on_shutter(self.state)

    def capture(self) -> None:
        """Take a snapshot while the state stands still."""
        self.state.freeze_while(self.shutter, clear_after=self.clear_after)
