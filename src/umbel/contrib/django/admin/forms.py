"""The form of a periodic task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from umbel.app.proxies import get_current_app
from umbel.beat.entries.model import REMOVED
from umbel.beat.entries.reading import check_name, read
from umbel.contrib.django.models import PeriodicTask
from umbel.contrib.django.schedules.store import described
from umbel.errors import UmbelError
from umbel.schedules import crontab, parsing, schedule
from umbel.schedules.base import BaseSchedule


class PeriodicTaskForm(forms.ModelForm):
    """Says what is sent, and when. What is wrong is told at its field."""

    task = forms.CharField(label="Task", help_text="Its name, e.g. shop.tasks.send_report.")
    every = forms.CharField(label="Every", required=False, help_text="30s, 5m, 1h30m, 2d")
    cron = forms.CharField(label="Or at", required=False, help_text="minute hour day month weekday: 30 7 * * mon-fri")
    args = forms.JSONField(label="Arguments", required=False, initial=list, help_text="A JSON list.")
    kwargs = forms.JSONField(label="Named arguments", required=False, initial=dict, help_text="A JSON object.")
    queue = forms.CharField(label="Queue", required=False)
    description = forms.CharField(label="Description", required=False)
    paused = forms.BooleanField(label="Paused", required=False)

    class Meta:
        """Of Django."""

        model = PeriodicTask
        fields = ("name",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.revision:
            self.fields["name"].disabled = True
            self.initial |= _initial(self.instance)

    def clean(self) -> dict[str, Any]:
        """Check the fields together; returns them, with ``entry``: what `umbel.beat.editing.Schedules` takes."""
        given: dict[str, Any] = super().clean()
        if self.errors:
            return given
        when = self._schedule(given)
        task, args, kwargs = given["task"], given["args"], given["kwargs"]
        app = get_current_app()
        app.import_modules()
        if task not in app.tasks:
            names = ", ".join(sorted(name for name in app.tasks if not name.startswith(("celery.", "umbel."))))
            self.add_error("task", f"There is no such task. There are: {names or 'none'}")
        if not isinstance(args, list | None):
            self.add_error("args", "Expected a JSON list.")
        if not isinstance(kwargs, dict | None):
            self.add_error("kwargs", "Expected a JSON object.")
        options = {**_options(self.instance), "queue": given["queue"]}
        given["entry"] = {
            "task": task,
            "args": args or [],
            "kwargs": kwargs or {},
            "options": {name: value for name, value in options.items() if value not in ("", None)},
            "description": given["description"],
            **({"schedule": when} if when is not None else {}),
        }
        if not self.errors:
            self._try(given["name"], given["entry"], app)
        return given

    def _try(self, name: str, entry: Mapping[str, Any], app: Any) -> None:
        """Say what `umbel.beat.editing.Schedules` would say."""
        try:
            check_name(name)
        except UmbelError as error:
            self.add_error("name", str(error))
        try:
            read({"schedule": 1.0, **entry}, app)
        except UmbelError as error:
            self.add_error(None, str(error))

    def validate_unique(self) -> None:
        """See whether the name is taken: one that was removed is not."""
        rows = PeriodicTask.objects.filter(name=self.cleaned_data.get("name")).exclude(status=REMOVED)
        if not self.instance.revision and rows.exists():
            self.add_error("name", "There is an entry of this name already.")

    def _schedule(self, given: Mapping[str, Any]) -> BaseSchedule | None:
        """The schedule of the form; ``None`` where it has one already of a kind that the form cannot show."""
        if bool(given["every"]) == bool(given["cron"]):
            if (
                given["every"]
                or not self.instance.revision
                or {"every", "crontab"} & {*described(self.instance.document).get("schedule", {})}
            ):
                self.add_error("every", "Expected either this or the next field.")
            return None
        field, zone = ("every" if given["every"] else "cron"), described(self.instance.document or "{}").get("schedule", {}).get("timezone")
        try:
            if field == "every":
                return schedule(parsing.duration(given["every"]), timezone=zone)
            return crontab.from_string(given["cron"], timezone=zone)
        except (UmbelError, ValueError) as error:
            self.add_error(field, str(error))
            return None


def _options(entry: Any) -> dict[str, Any]:
    return dict(described(entry.document or "{}").get("options", {}))


def _initial(entry: Any) -> dict[str, Any]:
    known = described(entry.document)
    when = known.get("schedule", {})
    return {
        "task": known.get("task", ""),
        "every": f"{when['every']:g}s" if "every" in when else "",
        "cron": when.get("crontab", ""),
        "args": known.get("args", []),
        "kwargs": known.get("kwargs", {}),
        "queue": known.get("options", {}).get("queue", ""),
        "description": known.get("description", ""),
        "paused": entry.status == "paused",
    }


def sentence(document: str) -> str:
    """Say in words when an entry is due.

    Args:
        document: of the entry.
    """
    when = described(document).get("schedule")
    try:
        return parsing.from_document(when).sentence if when else "?"
    except UmbelError:
        return json.dumps(when)
