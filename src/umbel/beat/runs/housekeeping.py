"""Work of a leading scheduler beside firing: it reports what was sent, looks up what became of runs, and drops old ones.

In a thread and over a connection of its own, so that nothing that is due waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from umbel.app.connections import seconds
from umbel.beat.runs.outcomes import Outcomes
from umbel.beat.runs.sending import Runs
from umbel.beat.stores.base import ScheduleStore
from umbel.errors import OperationalError

logger: logging.Logger = logging.getLogger("umbel.beat")

#: Seconds between two looks at what became of runs, and between two times at which old ones are dropped.
_LOOK, _TRIM = 2.0, 600.0
#: Seconds in which reports gather, for one write of many.
_GATHER: Final = 0.02
#: Seconds that a stop waits.
_STOP: Final = 5.0


class Housekeeping:
    """Keeps the history of a store.

    Args:
        app: whose result store is asked.
        store: makes a store like that of the scheduler.
        runs: of the scheduler.
        leads: reports whether the scheduler leads.
    """

    def __init__(self, app: Any, store: Callable[[], ScheduleStore], runs: Runs, leads: Callable[[], bool]) -> None:
        self._app = app
        self._make_store = store
        self._runs = runs
        self._leads = leads
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._trim_at = 0.0

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is None:
            self._stopping.clear()
            self._runs.is_written_elsewhere = True
            self._thread = threading.Thread(target=self._run, name="umbel-beat-history", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        self._runs.news.set()
        if thread is not None:
            thread.join(_STOP)
            self._runs.is_written_elsewhere = False

    def _run(self) -> None:
        clock = self._app.time
        look_at = clock.monotonic()
        store: ScheduleStore | None = None
        try:
            store = self._make_store()
            outcomes = Outcomes(self._app, store)
            while not self._stopping.is_set():
                if self._runs.news.wait(max(0.0, min(_LOOK, look_at - clock.monotonic()))):
                    self._runs.news.clear()
                    self._runs.write_reports(store)
                    self._stopping.wait(_GATHER)
                if clock.monotonic() >= look_at:
                    look_at = clock.monotonic() + _LOOK
                    self._runs.write_reports(store)  # what could not be written before
                    if self._leads():
                        self.look(store, outcomes)
        except Exception:
            logger.exception("the history of periodic tasks is not kept any more")
        finally:
            self._runs.is_written_elsewhere = False
            if store is not None:
                store.close()

    def look(self, store: ScheduleStore, outcomes: Outcomes) -> None:
        """Do what is to be done once.

        Args:
            store: that is kept.
            outcomes: of its runs.
        """
        clock = self._app.time
        try:
            reports = outcomes.look(clock.now())
            if reports:
                store.report(reports)
            if clock.monotonic() >= self._trim_at:
                self._trim_at = clock.monotonic() + _TRIM
                conf = self._app.conf
                store.trim(conf.beat_history_limit, clock.now() - (seconds(conf.beat_history_expires) or 0.0))
        except OperationalError as error:
            logger.warning("The history of periodic tasks cannot be kept for now: %s", error)
        except Exception:
            logger.exception("the history of periodic tasks cannot be kept")
