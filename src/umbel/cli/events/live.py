"""The live view: events come in on one thread, workers are asked on another, keys and pictures are this one's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Final

from umbel.cli.events.fleet import Fleet
from umbel.cli.events.keys import keys_of, pressed
from umbel.cli.events.model import Quit, Seen, Tell, View
from umbel.cli.events.picture import frame
from umbel.cli.events.terminal import Terminal
from umbel.cli.output import count
from umbel.cli.remote.tables import sentence
from umbel.errors import UmbelError
from umbel.events.state import State
from umbel.runtime.clock import SYSTEM

#: Seconds between two pictures while no key is pressed.
_REFRESH: Final = 0.5
#: Seconds between two questions for the workers' slots, and for which replies are waited for.
_ASK_EVERY: Final = 10.0
_PATIENCE: Final = 1.0


def watch(app: Any, *, color: bool) -> None:
    """Show the view until the user leaves it.

    Args:
        app: whose broker.
        color: colours may be used.

    Raises:
        OperationalError: the broker cannot be reached at the beginning.
    """
    fleet = Fleet(State())
    notes: SimpleQueue[str] = SimpleQueue()
    listener = _Listener(app, fleet)
    asker = _Asker(app, fleet, notes.put)
    with _Notes(notes.put), Terminal(color=color) as terminal:
        try:
            listener.start()
            asker.start()
            _run(terminal, fleet, listener, asker, notes, app.broker.public_url())
        finally:
            listener.stop()


def _run(terminal: Terminal, fleet: Fleet, listener: _Listener, asker: _Asker, notes: SimpleQueue[str], broker: str) -> None:
    view, seen = View(), Seen()
    while True:
        listener.check()
        while not notes.empty():
            view = replace(view, note=notes.get())
        now = SYSTEM.now()
        if not view.paused:
            seen = fleet.look(view, now)
        elif view.opened:
            seen = replace(seen, details=fleet.look(view, now).details)
        terminal.draw(frame(view, seen, *terminal.size(), broker))
        try:
            keys = keys_of(terminal.read(_REFRESH))
        except EOFError:
            return
        for key in keys:
            view, action = pressed(view, key, seen)
            if isinstance(action, Quit):
                return
            if isinstance(action, Tell):
                asker.tell(action)


class _Listener(threading.Thread):
    """Receives events.

    Args:
        app: whose.
        fleet: learns them.
    """

    def __init__(self, app: Any, fleet: Fleet) -> None:
        super().__init__(name="umbel-events", daemon=True)
        self._receiver = app.events.Receiver(handlers={"*": fleet.learn})
        self._error: Exception | None = None

    def run(self) -> None:
        """Receive until told to stop. Lost connections are the receiver's own matter."""
        try:
            self._receiver.capture()
        except Exception as error:
            self._error = error

    def check(self) -> None:
        """Raise what ended it."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Have it end, soon."""
        self._receiver.should_stop = True


class _Asker(threading.Thread):
    """Asks workers how many slots they have, and tells them what the user wants.

    Args:
        app: whose workers.
        fleet: learns replies.
        say: shows a line.
    """

    def __init__(self, app: Any, fleet: Fleet, say: Callable[[str], None]) -> None:
        super().__init__(name="umbel-control", daemon=True)
        self._app = app
        self._fleet = fleet
        self._say = say
        self._wanted: SimpleQueue[Tell] = SimpleQueue()

    def tell(self, action: Tell) -> None:
        """Tell all workers something; the replies become a note.

        Args:
            action: the command.
        """
        self._wanted.put(action)

    def run(self) -> None:
        """Ask and tell, for ever."""
        from queue import Empty

        due = 0.0
        while True:
            try:
                action = self._wanted.get(timeout=max(0.01, due - SYSTEM.monotonic()))
            except Empty:
                self._ask()
                due = SYSTEM.monotonic() + _ASK_EVERY
                continue
            try:
                replies = self._app.control.broadcast(
                    action.command, dict(action.arguments), reply=True, timeout=_PATIENCE, limit=self._fleet.alive or None
                )
                self._say(_summary(action.command, replies or []))
            except UmbelError as error:
                self._say(f"{action.command}: {error}")

    def _ask(self) -> None:
        try:
            self._fleet.learn_slots(self._app.control.broadcast("stats", reply=True, timeout=_PATIENCE) or [])
        except UmbelError:
            logging.getLogger(__name__).debug("slots could not be asked for", exc_info=True)  # the receiver tells of the broker


def _summary(command: str, replies: Sequence[dict[str, Any]]) -> str:
    """A line about the replies of workers."""
    told = [(node, *sentence(reply)) for each in replies for node, reply in each.items()]
    if not told:
        return f"{command}: no worker has replied."
    wrong = [f"{node}: {text}" for node, is_ok, text in told if not is_ok]
    if wrong:
        return f"{command}: {'; '.join(wrong)}"
    return f"{command}: {count(len(told), 'worker')} did it."


class _Notes(logging.Handler):
    """Shows warnings of Umbel as notes while the view has the screen.

    Args:
        say: shows a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._logger = logging.getLogger("umbel")
        self._before = self._logger.propagate

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record.

        Args:
            record: of a logger of Umbel.
        """
        self._say(record.getMessage())

    def __enter__(self) -> None:
        self._before, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._before
