"""Which store an app has."""

from __future__ import annotations

import pytest

from umbel import Umbel
from umbel.beat.stores.file import FileScheduleStore
from umbel.beat.stores.memory import MemoryScheduleStore
from umbel.beat.stores.redis import RedisScheduleStore
from umbel.beat.stores.registry import store_of
from umbel.beat.stores.sql import SqlScheduleStore
from umbel.beat.stores.sqlite import SqliteScheduleStore
from umbel.errors import ImproperlyConfigured


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"broker": "redis://host/1"}, RedisScheduleStore),
        ({"broker": "sqlite:///umbel.db"}, SqliteScheduleStore),
        ({}, SqliteScheduleStore),
        ({"broker": "memory://"}, MemoryScheduleStore),
        ({"broker": "amqp://host"}, FileScheduleStore),
        ({"broker": "amqp://host", "backend": "rpc://"}, FileScheduleStore),
        ({"broker": "amqp://host", "backend": "redis://host/1"}, RedisScheduleStore),
        ({"broker": "amqp://host", "backend": "db+sqlite:///x.db"}, SqlScheduleStore),
        ({"broker": "redis://host/1", "beat_schedule_filename": "schedule"}, FileScheduleStore),
        ({"broker": "redis://host/1", "beat_schedule_store": "db+sqlite:///x.db"}, SqlScheduleStore),
        ({"broker": "redis://host/1", "beat_schedule_filename": "schedule", "beat_schedule_store": "memory://"}, MemoryScheduleStore),
    ],
)
def test_where_schedules_are_kept(settings, kind):
    with Umbel("x", set_as_current=False, **settings) as app:
        assert type(store_of(app)) is kind
        assert type(store_of(app, filename="x")) is FileScheduleStore


def test_the_prefix_of_the_broker_is_that_of_the_schedule():
    with Umbel("x", broker="redis://host/1", broker_transport_options={"global_keyprefix": "mine:"}, set_as_current=False) as app:
        assert store_of(app)._key("lease") == "mine:{umbel:schedules}:lease"


def test_there_is_no_such_store():
    with Umbel("x", broker="memory://", beat_schedule_store="mongodb://host", set_as_current=False) as app:
        with pytest.raises(ImproperlyConfigured, match="there is no schedule store for mongodb:// URLs: expected redis://"):
            store_of(app)


def test_a_store_in_memory_is_one_for_the_app():
    with Umbel("x", broker="memory://", set_as_current=False) as app:
        assert store_of(app) is store_of(app)
