"""The relays of a project's outboxes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from umbel.contrib.django.outbox.table import DatabaseOutbox
from umbel.contrib.outbox.relay import Relay
from umbel.contrib.outbox.service import direct_publisher


def relays_of(app: Any, aliases: Sequence[str]) -> list[Relay]:
    """Make a relay for the outbox of each database.

    Args:
        app: whose messages they publish.
        aliases: of the databases.
    """
    return [Relay(DatabaseOutbox(alias), partial(direct_publisher, app), f"outbox of {alias!r}") for alias in aliases]
