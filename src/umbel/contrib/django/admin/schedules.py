"""The pages of periodic tasks and of their runs. Whatever is changed here, a running beat sees within a second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import admin, messages

from umbel.app.proxies import get_current_app
from umbel.beat.editing import Schedules
from umbel.beat.entries import model
from umbel.contrib.django.admin.forms import PeriodicTaskForm, sentence
from umbel.contrib.django.admin.results import ReadOnlyAdmin
from umbel.contrib.django.models import PeriodicRun, PeriodicTask
from umbel.contrib.django.schedules.store import DatabaseScheduleStore
from umbel.errors import UmbelError


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(admin.ModelAdmin):
    """Periodic tasks: add, edit, pause, resume, run now, remove."""

    form = PeriodicTaskForm
    list_display = ("name", "task", "when", "status", "last", "total_runs")
    list_filter = ("status", "task")
    search_fields = ("name", "task")
    actions: ClassVar = ["pause", "resume", "run_now"]

    def get_queryset(self, request: Any) -> Any:
        """Leave out what was removed.

        Args:
            request: of the page.
        """
        return super().get_queryset(request).exclude(status=model.REMOVED)

    @admin.display(description="when")
    def when(self, row: Any) -> str:
        """Say when it is due.

        Args:
            row: an entry.
        """
        return sentence(row.document)

    @admin.display(description="last run", ordering="last_fired")
    def last(self, row: Any) -> Any:
        """Say when it was sent last.

        Args:
            row: an entry.
        """
        return None if row.last_fired is None else datetime.fromtimestamp(row.last_fired, UTC)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """Add or edit, as ``app.schedules`` does.

        Args:
            request: of the page.
            obj: the row, which is written by the store.
            form: with what is to be.
            change: it is there already.
        """
        editing, given = _schedules(obj), form.cleaned_data
        try:
            if change:
                entry = editing.edit(obj.name, **given["entry"])
                if given["paused"] != (entry.status == model.PAUSED):
                    editing.pause(obj.name) if given["paused"] else editing.resume(obj.name)
            else:
                editing.add(obj.name, paused=given["paused"], **given["entry"])
        except UmbelError as error:
            self.message_user(request, f"It was not saved: {error}", messages.ERROR)

    def delete_model(self, request: Any, obj: Any) -> None:
        """Remove an entry, so that a deploy does not bring it back.

        Args:
            request: of the page.
            obj: the row.
        """
        _schedules(obj).remove(obj.name)

    def delete_queryset(self, request: Any, queryset: Any) -> None:
        """Remove entries.

        Args:
            request: of the page.
            queryset: rows that were chosen.
        """
        for row in queryset:
            _schedules(row).remove(row.name)

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: Any, queryset: Any) -> None:
        """Pause entries.

        Args:
            request: of the page.
            queryset: rows that were chosen.
        """
        self._each(request, queryset, lambda editing, name: editing.pause(name), "paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: Any, queryset: Any) -> None:
        """Send entries again.

        Args:
            request: of the page.
            queryset: rows that were chosen.
        """
        self._each(request, queryset, lambda editing, name: editing.resume(name), "resumed")

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: Any, queryset: Any) -> None:
        """Send the tasks of entries now.

        Args:
            request: of the page.
            queryset: rows that were chosen.
        """
        self._each(request, queryset, lambda editing, name: editing.run(name), "sent")

    def _each(self, request: Any, queryset: Any, work: Callable[[Schedules, str], Any], done: str) -> None:
        count = 0
        for row in queryset:
            try:
                work(_schedules(row), row.name)
                count += 1
            except UmbelError as error:
                self.message_user(request, f"{row.name}: {error}", messages.ERROR)
        self.message_user(request, f"{count} {done}.", messages.SUCCESS if count else messages.WARNING)


@admin.register(PeriodicRun)
class PeriodicRunAdmin(ReadOnlyAdmin):
    """Runs of periodic tasks."""

    list_display = ("entry", "state", "sent_at", "worker", "runtime", "by_hand", "task_id")
    list_filter = ("state", "entry")
    search_fields = ("entry", "task_id")

    @admin.display(description="sent", ordering="fired")
    def sent_at(self, row: Any) -> Any:
        """Say when it was sent.

        Args:
            row: a run.
        """
        return datetime.fromtimestamp(row.fired, UTC)


def _schedules(row: Any) -> Schedules:
    from umbel.contrib.django.settings import database

    app = get_current_app()
    app.import_modules()
    return Schedules(app, DatabaseScheduleStore(row._state.db or database(), app.time))  # noqa: SLF001 - where Django has it from
