"""Stop signals: each more urgent than the one before, and what is said about them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, Protocol

#: Seconds in which a line must have been written.
_SAID_WITHIN = 5.0
#: Options that a process must not have when it starts again.
_ONCE = frozenset({"--purge", "--discard"})


class Stoppable(Protocol):
    """A worker, as far as signals stop it."""

    def request_stop(self, *, warm: bool, within: float | None = None, again: bool = False) -> None:
        """Stop; ``warm`` lets running tasks end, ``within`` so many seconds; the process starts ``again``. Safe to call from a signal handler."""


class Handlers(Protocol):
    """The handlers of stop signals."""

    def interrupt(self) -> None:
        """Handle Ctrl-C."""

    def quit(self) -> None:
        """Handle SIGQUIT."""

    def terminate(self) -> None:
        """Handle SIGTERM."""

    def hang_up(self) -> None:
        """Handle SIGHUP."""


class StopEscalation:
    """Stop requests, each more urgent than the one before.

    ======== ========= ========= ============ ============
    signal   first     second    third        fourth
    ======== ========= ========= ============ ============
    INT      warm      (soft)    cold         exit at once
    QUIT     (soft)    cold      exit at once
    TERM     warm      nothing new
    HUP      warm, then the process starts again, where there is no terminal
    ======== ========= ========= ============ ============

    Args:
        target: what is stopped.
        say: called with one line for each step. Called in signal handlers, so it must not write: a handler may run in the middle of a write.
        leave: ends the process at once.
        soft: seconds that running tasks get before a cold stop (``worker_soft_shutdown_timeout``); 0 leaves that step out.
        restarts: HUP starts the process again.
    """

    def __init__(
        self,
        target: Stoppable,
        say: Callable[[str], None],
        leave: Callable[[int], object] = os._exit,
        *,
        soft: float = 0.0,
        restarts: bool = False,
    ) -> None:
        self._target = target
        self._say = say
        self._leave = leave
        self._soft = soft
        self._restarts = restarts
        self._steps = (self._warm, *((self._softly,) if soft else ()), self._cold)
        self._step = 0
        self._more = "QUIT stops at once."
        #: The process is to start again when it has stopped.
        self.restart: bool = False

    def interrupt(self) -> None:
        """Handle Ctrl-C."""
        self._more = "Ctrl-C again stops at once."
        self._go(self._step + 1)

    def quit(self) -> None:
        """Handle SIGQUIT."""
        self._go(max(2, self._step + 1))

    def terminate(self) -> None:
        """Handle SIGTERM."""
        self.restart = False
        if self._step == 0:
            self._go(1)

    def hang_up(self) -> None:
        """Handle SIGHUP."""
        if self._step == 0:
            self.restart = self._restarts
            self._go(1)

    def reload(self) -> None:
        """Stop warmly and start again, wherever that was asked from."""
        if self._step == 0:
            self.restart = True
            self._go(1)

    @property
    def stop_requested(self) -> bool:
        """Report whether a stop was asked for."""
        return self._step > 0

    def _go(self, step: int) -> None:
        self._step = step
        if step <= len(self._steps):
            self._steps[step - 1]()
        else:
            self._leave(1)

    def _warm(self) -> None:
        self._target.request_stop(warm=True, again=self.restart)
        more = "Then the worker starts again. " if self.restart else ""
        self._say(f"Stopping: running tasks may end, nothing new is started. {more}{self._more}")

    def _softly(self) -> None:
        self._target.request_stop(warm=True, within=self._soft)
        self._say(f"Stopping: running tasks have {self._soft:g} s, then they go back to their queue. QUIT stops at once.")

    def _cold(self) -> None:
        self.restart = False
        self._target.request_stop(warm=False)
        self._say("Stopping at once: what was running goes back to its queue.")


@contextlib.contextmanager
def on_thread(say: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """A function for signal handlers that has a thread of its own call ``say``; at the end of the block all has been said.

    Args:
        say: writes one line.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()  # its `put` is made for signal handlers; locks of logging and of files are not

    def run() -> None:
        while (line := lines.get()) is not None:
            say(line)

    thread = threading.Thread(target=run, name="umbel-stop", daemon=True)
    thread.start()
    try:
        yield lines.put
    finally:
        lines.put(None)
        thread.join(_SAID_WITHIN)


@contextlib.contextmanager
def stop_signals(escalation: Handlers) -> Iterator[None]:
    """Pass stop signals to ``escalation`` inside this block. ``REMAP_SIGTERM=SIGQUIT`` makes TERM as urgent as QUIT."""
    actions = {"SIGINT": escalation.interrupt, "SIGQUIT": escalation.quit, "SIGTERM": escalation.terminate, "SIGHUP": escalation.hang_up}
    if os.environ.get("REMAP_SIGTERM") == "SIGQUIT":
        actions["SIGTERM"] = escalation.quit
    before: dict[int, Any] = {}
    for name, action in actions.items():
        number = getattr(signal, name, None)
        if number is None:  # Windows has INT and TERM only
            continue

        def handle(_number: int, _frame: FrameType | None, action: Callable[[], None] = action) -> None:
            action()

        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        # What is ignored stays so in the process that this one becomes: another hang up before it can handle one must not end it.
        if isinstance(escalation, StopEscalation) and escalation.restart:
            before[signal.SIGHUP] = signal.SIG_IGN
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def has_terminal() -> bool:
    """Report whether this process belongs to a terminal, whose end is a SIGHUP too."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def working_folder() -> Path | None:
    """Return the folder that this process works in; ``None`` when it is gone."""
    try:
        return Path.cwd()
    except OSError:
        return None


def start_again(place: Path | None) -> None:
    """Become a new process with the same number, the same command line and the code as it is now. What waits in queues is not dropped a second time.

    Args:
        place: the folder that this process was started in.
    """
    if place is not None:
        with contextlib.suppress(OSError):  # an old release may be gone; where we are is as good as any place then
            os.chdir(place)
    words = [word for word in sys.orig_argv[1:] if word not in _ONCE]
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606 - the same command line
