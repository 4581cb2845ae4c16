"""Figures of the queues that a worker reads, asked of the broker at most every few seconds, on a thread of their own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from umbel.brokers.base import DEAD_SUFFIX, Broker, QueueClient
from umbel.errors import OperationalError
from umbel.messages.ids import waits_since
from umbel.runtime.clock import SYSTEM

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds for which figures are good enough, and after which they are not shown any more.
_FRESH, _STALE = 5.0, 60.0
#: Seconds that is waited for new ones. A broker that does not answer must not make a scrape fail.
_PATIENCE: Final = 0.5

#: Messages that are ready, that wait for their time, and dead letters; the seconds for which the next message has waited; 1 when it is paused, else 0.
Figures = tuple[int | None, int | None, int | None, float | None, int]


class QueueFigures:
    """Asks how many messages wait. From any thread.

    Args:
        broker: of the worker.
        names: of its queues.
        paused: names of those that are paused.
    """

    def __init__(self, broker: Broker, names: Callable[[], Iterable[str]], paused: Callable[[], Iterable[str]]) -> None:
        self._broker = broker
        self._names = names
        self._paused = paused
        self._lock = threading.Lock()
        self._is_asking = False
        self._found: Mapping[str, Figures] = {}
        self._asked = self._answered = -_STALE
        self._is_there = threading.Event()

    def __call__(self) -> Mapping[str, Figures]:
        """Return the figures; empty when the broker has not answered for long."""
        now = SYSTEM.monotonic()
        with self._lock:
            if not self._is_asking and now - self._asked >= _FRESH:
                self._is_asking, self._asked = True, now
                self._is_there.clear()
                threading.Thread(target=self._ask, name="umbel-queue-figures", daemon=True).start()
        self._is_there.wait(_PATIENCE)
        return self._found if SYSTEM.monotonic() - self._answered < _STALE else {}

    def _ask(self) -> None:
        try:
            with contextlib.closing(self._broker.queue_client()) as client:
                names = list(self._names())
                paused = set(self._paused())
                self._found = {
                    name: (
                        client.length(name),
                        client.delayed(name),
                        client.length(name + DEAD_SUFFIX) or 0,
                        self._oldest(client, name),
                        int(name in paused),
                    )
                    for name in names
                }
            self._answered = SYSTEM.monotonic()
        except OperationalError as error:
            logger.debug("The queues' lengths cannot be read: %s", error)
        finally:
            self._is_asking = False
            self._is_there.set()

    def _oldest(self, client: QueueClient, name: str) -> float | None:
        """The age of the next message. A broker that would have to deliver it for that is not asked: this comes again and again."""
        if not self._broker.capabilities.peeks:
            return None
        found = client.peek(name, 1)
        since = waits_since(found[0]) if found else SYSTEM.now()
        return None if since is None else max(0.0, SYSTEM.now() - since)
