"""``redbeat.RedBeatScheduler`` in a project's settings: its schedule is kept in Redis, by ours."""

from __future__ import annotations

import logging
from typing import Any

from umbel.beat.schedulers.stored import StoreScheduler
from umbel.beat.stores.base import ScheduleStore
from umbel.errors import ImproperlyConfigured

logger: logging.Logger = logging.getLogger("umbel.beat")


class RedBeat(StoreScheduler):
    """Keeps the schedule in the Redis that RedBeat's settings name."""

    def make_store(self, app: Any, options: dict[str, Any]) -> ScheduleStore:
        from umbel.beat.stores.registry import store_of

        options.pop("schedule_filename", None)
        url = app.conf.get("redbeat_redis_url") or app.conf.broker_url
        url = url if isinstance(url, str) else ";".join(url)
        if "redis" not in url and "valkey" not in url and "sentinel" not in url:
            raise ImproperlyConfigured(
                "beat_scheduler is RedBeat's, and neither redbeat_redis_url nor broker_url is a Redis: set beat_schedule_store to where schedules "
                "are to be kept, and leave beat_scheduler out"
            )
        return store_of(app, url)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        logger.warning(
            "beat_scheduler names RedBeat: its place is taken by Umbel's own scheduler, in %s. Entries that were made with RedBeat are not read; "
            "add them with `umbel schedule add`, or to beat_schedule.",
            self.store.public_url(),
        )
