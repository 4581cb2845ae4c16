"""The outboxes of a project: how calls get into them, and the relays that publish what is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings

from umbel.brokers.base import Publisher
from umbel.contrib.django.outbox.enlisting import EnlistingPublisher, is_in
from umbel.contrib.django.outbox.table import DatabaseOutbox
from umbel.contrib.django.outbox.writing import writer
from umbel.contrib.outbox.publisher import TransactionalPublisher
from umbel.contrib.outbox.relay import Relay
from umbel.contrib.outbox.service import RelayService, direct_publisher


def connect(app: Any, aliases: Sequence[str]) -> None:
    """Have the calls of an app belong to the transactions of databases, and its workers relay them.

    In a database that the broker is in, they are its messages at once; in the others they are rows.

    Args:
        app: of the project.
        aliases: of the databases.
    """

    def through(publisher: Publisher) -> Publisher:
        made: Publisher = publisher
        for alias in _brokers(app, aliases):
            made = EnlistingPublisher(made, alias)
        rest = _with_rows(app, aliases)
        return TransactionalPublisher(made, writer(rest)) if rest else made

    app.connections.publish_through(through)
    app.worker_services.append(lambda _: RelayService(relays_of(app, _with_rows(app, aliases))))


def _brokers(app: Any, aliases: Sequence[str]) -> list[str]:
    """The databases that the broker is in; one, or none."""
    url = app.conf.broker_write_url or app.conf.broker_url
    return [alias for alias in aliases if is_in(url, settings.DATABASES[alias])][:1]


def _with_rows(app: Any, aliases: Sequence[str]) -> list[str]:
    brokers = _brokers(app, aliases)
    return [alias for alias in aliases if alias not in brokers]


def relays_of(app: Any, aliases: Sequence[str]) -> list[Relay]:
    """Make a relay for the outbox of each database.

    Args:
        app: whose messages they publish.
        aliases: of the databases.
    """
    return [Relay(DatabaseOutbox(alias), partial(direct_publisher, app), f"outbox of {alias!r}") for alias in aliases]
