"""The task by which a test's worker is tried."""

from __future__ import annotations

from umbel.app.shared import shared_task


@shared_task(name="celery.ping")
def ping() -> str:
    """Answer."""
    return "pong"
