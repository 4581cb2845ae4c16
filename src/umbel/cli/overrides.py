"""Settings on the command line: ``umbel worker -- worker_prefetch_multiplier=4 task.acks_late=false``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from umbel.errors import ImproperlyConfigured


def parse_overrides(items: Iterable[str]) -> dict[str, Any]:
    """Parse ``items``, the words after ``--``, as settings (see `umbel.app.config.sources.from_arguments`).

    Raises:
        click.UsageError: an item is not of this form.
    """
    from umbel.app.config.sources import from_arguments

    try:
        return from_arguments(items)
    except ImproperlyConfigured as error:
        raise click.UsageError(f"After -- there are settings only: {error}") from error
