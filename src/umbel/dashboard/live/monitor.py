"""`Monitor`: all that a dashboard knows, in one object that starts and stops."""

from __future__ import annotations

from typing import Any

from umbel.cli.events.fleet import Fleet
from umbel.cli.events.model import View, WorkerRow
from umbel.cli.loading import LoadedApp
from umbel.dashboard.history.audit import Audit
from umbel.dashboard.history.database import Database
from umbel.dashboard.history.reading import History
from umbel.dashboard.history.reconciling import Reconciler
from umbel.dashboard.history.recorder import Recorder
from umbel.dashboard.live.answers import Answers
from umbel.dashboard.live.asking import Asking
from umbel.dashboard.live.changes import Changes
from umbel.dashboard.live.counters import Counters
from umbel.dashboard.live.listening import Listening
from umbel.dashboard.options import DashboardOptions
from umbel.events.state import State
from umbel.runtime.clock import SYSTEM


class Monitor:
    """Watches the fleet of one app.

    Args:
        loaded: the app.
        options: of the dashboard.

    Raises:
        ImproperlyConfigured: the history file cannot be used.
    """

    def __init__(self, loaded: LoadedApp, options: DashboardOptions) -> None:
        self.loaded = loaded
        self.app: Any = loaded.app
        self.options = options
        self.database: Database = Database(options.history)
        self.state: State = State()
        self.fleet: Fleet = Fleet(self.state)
        self.recorder: Recorder = Recorder(self.database, self.state)
        self.history: History = History(self.database)
        self.audit: Audit = Audit(self.database)
        self.answers: Answers = Answers()
        self.changes: Changes = Changes()
        self.counters: Counters = Counters()
        self.listening: Listening = Listening(
            self.app, self.fleet, self.recorder, self.counters, self.changes, lambda: self.recorder.trim(options.keep, options.keep_runs)
        )
        self.reconciler: Reconciler = Reconciler(self.database, self.state)
        self.asking: Asking = Asking(
            loaded, self.fleet, self.recorder, self.changes, enable_events=options.enable_events, reconcile=self.reconcile
        )

    def start(self) -> None:
        """Begin to watch."""
        self.listening.start()
        self.asking.start()

    def stop(self) -> None:
        """Stop watching, write what is known, and close the history."""
        self.changes.close()
        self.listening.stop()
        self.asking.stop()
        self.database.close()

    def reconcile(self) -> None:
        """Ask the result store for the ends of tasks that no event has told.

        Raises:
            UmbelError: store or history cannot be reached.
        """
        store = self.app.store
        if store is None or not store.shared:
            return
        ids = self.reconciler.wanted()
        if ids and self.reconciler.conclude(store.fetch(ids)):
            self.changes.tell("tasks")

    def workers(self) -> list[WorkerRow]:
        """List the workers, by name."""
        return self.answers.ask("workers", 0.5, lambda: list(self.fleet.look(View(), SYSTEM.now()).workers))
