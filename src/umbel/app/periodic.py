"""The part of an app that has periodic tasks: adding them, editing them, and the scheduler that sends them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from umbel.app import entry_points
from umbel.app.config.settings import Settings

logger: logging.Logger = logging.getLogger("umbel.app")


class PeriodicTasks:
    """An app as far as its periodic tasks go. `umbel.app.app.Umbel` makes what is annotated here."""

    conf: Settings
    #: Added before the settings were read.
    _periodic: dict[str, Mapping[str, Any]]
    _schedules: Any

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **opts: Any,
    ) -> str:
        """Add an entry to ``beat_schedule``; most often from a receiver of ``on_after_configure`` or ``on_after_finalize``. Returns its name.

        Args:
            schedule: seconds, a timedelta, or one of `umbel.schedules`.
            sig: the signature of a task, or the task.
            args: positional arguments, where ``sig`` has none.
            kwargs: keyword arguments beside those of ``sig``.
            name: of the entry; that of the signature, with its arguments, when not given.
            **opts: calling options beside those of ``sig``.
        """
        if not isinstance(sig, Mapping):
            sig = sig.s()
        entry = {
            "schedule": schedule,
            "task": sig["task"],
            "args": tuple(sig.get("args") or ()) or tuple(args),
            "kwargs": {**(sig.get("kwargs") or {}), **(kwargs or {})},
            "options": {**(sig.get("options") or {}), **opts},
        }
        key = name or repr(sig)
        if not self.conf.loaded:
            known, self._periodic[key] = self._periodic.get(key), entry
        else:
            known = self.conf.beat_schedule.get(key)
            self._put_periodic({key: entry})
        if known is not None and name is None and known != entry:
            logger.warning("add_periodic_task: %s is added a second time, in place of the first: give each a name of its own (name=)", key)
        return key

    def _put_periodic(self, entries: Mapping[str, Any]) -> None:
        """Add entries to the setting, in a dict that is nobody else's."""
        schedule = self.conf.beat_schedule
        if "beat_schedule" not in self.conf.changes:
            schedule = self.conf.beat_schedule = dict(schedule)
        schedule.update(entries)

    def _add_pending_periodic(self) -> None:
        """Add those that were added before the settings were read."""
        if self._periodic:
            pending, self._periodic = self._periodic, {}
            self._put_periodic(pending)

    @property
    def schedules(self) -> Any:
        """The entries of beat, to be looked at and edited while it runs: see `umbel.beat.editing.Schedules`."""
        if self._schedules is None:
            self._schedules = entry_points.make_schedules(self)
        return self._schedules

    def Beat(self, **options: Any) -> Any:  # noqa: N802 - Celery's name
        """Make beat, to `start` here or in a thread; ``options`` are those of `umbel.beat.Service`.

        Raises:
            ImproperlyConfigured: there is no such scheduler.
        """
        return entry_points.make_beat(self, options)
