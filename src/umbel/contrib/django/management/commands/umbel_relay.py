"""``manage.py umbel_relay``."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from umbel.app.proxies import get_current_app
from umbel.contrib.django.models import OutboxMessage
from umbel.contrib.django.outbox.relaying import relays_of
from umbel.contrib.django.settings import outbox_databases
from umbel.contrib.outbox.base import REFUSED, shard_of_process
from umbel.errors import UmbelError


class Command(BaseCommand):
    """Publish what waits in the outbox, until it is told to stop."""

    help = "Publish what waits in the outbox, until it is told to stop. Workers do so, too; any number may run."

    def add_arguments(self, parser: Any) -> None:
        """Describe the options.

        Args:
            parser: of the command.
        """
        parser.add_argument("--once", action="store_true", help="Publish what is there now, and end.")
        parser.add_argument("--retry", action="store_true", help="First take back what the broker has refused.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run.

        Args:
            args: none.
            options: once, retry.

        Raises:
            CommandError: there is no outbox, or, with ``--once``, the broker or the database is away.
        """
        aliases = outbox_databases()
        if not aliases:
            raise CommandError("There is no outbox: set UMBEL_OUTBOX = True.")
        if options["retry"]:
            for alias in aliases:
                count = OutboxMessage.objects.using(alias).filter(shard=REFUSED).update(shard=shard_of_process(), refused="")
                self.stdout.write(f"{alias}: {count} taken back.")
        relays = relays_of(get_current_app(), aliases)
        if options["once"]:
            try:
                self.stdout.write(f"{sum(relay.drain() for relay in relays)} published.")
            except UmbelError as error:
                raise CommandError(str(error)) from error
            return
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        threads = [threading.Thread(target=relay.run, name=relay.name) for relay in relays]
        for thread in threads:
            thread.start()
        self.stdout.write("Relaying.")
        self.stdout.flush()
        ended.wait()
        for relay in relays:
            relay.stop()
        for thread in threads:
            thread.join()
