"""``manage.py umbel_adopt``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from umbel.app.proxies import get_current_app
from umbel.beat.editing import Schedules
from umbel.contrib.django.adopting import results, schedules
from umbel.contrib.django.results.store import connect
from umbel.contrib.django.schedules.store import DatabaseScheduleStore
from umbel.contrib.django.settings import database


class Command(BaseCommand):
    """Take over results and schedules from the tables of django-celery-results and django-celery-beat."""

    help = (
        "Take over results, groups and schedules from the tables of django-celery-results and django-celery-beat, which stay as they are."
    )

    def add_arguments(self, parser: Any) -> None:
        """Describe the options.

        Args:
            parser: of the command.
        """
        parser.add_argument("--dry-run", action="store_true", help="Say what would be taken over; change nothing.")
        parser.add_argument("--database", help="The database that has the tables. Default: UMBEL_DATABASE, else default.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run. Safe twice: what is here already is left as it is.

        Args:
            args: none.
            options: dry_run, database.
        """
        alias, writes = options["database"] or database(), not options["dry_run"]
        app = get_current_app()
        store = connect(_options(app, alias))
        seen, copied = results.take_results(alias, writes=writes)
        groups, remarks = results.take_groups(alias, store, writes=writes)
        editing = Schedules(app, DatabaseScheduleStore(alias, app.time))
        entries, more = schedules.take_schedules(alias, editing, writes=writes)
        for remark in (*remarks, *more):
            self.stderr.write(remark)
        would = "" if writes else "Would be "
        self.stdout.write(f"{would}taken over: {copied} of {seen} results, {groups} groups, {entries} periodic tasks.".capitalize())


def _options(app: Any, alias: str) -> Any:
    from umbel.app.connections import store_options

    return store_options(app.conf, f"django-db://{alias}")
