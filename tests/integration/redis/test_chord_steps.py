"""Steps of chords through a child's sink, on a real Redis: what one chord has wrong must not cost the others."""

from __future__ import annotations

import uuid

import pytest

from umbel import Umbel
from umbel.pools.effects import AppEffects
from umbel.results.group_store import ChordClaim, ChordPart

pytestmark = pytest.mark.redis


@pytest.fixture
def app(redis_store_url):
    made = Umbel("steps", broker="memory://", backend=redis_store_url, set_as_current=False, result_expires=60)
    yield made
    made.close()


def call(app: Umbel, *command: str):
    return app.store._connections.use(lambda connection: connection.call(*command), 5.0)


def test_a_chord_whose_keys_are_damaged_does_not_cost_the_others_of_its_burst(app):
    good, damaged, garbage = (str(uuid.uuid4()) for _ in range(3))
    for group in (good, damaged, garbage):
        app.store.groups.open(group, 1)
    call(app, "SET", f"celery-taskset-meta-{damaged}.j", "no sorted set", "EX", "60")
    call(app, "ZADD", f"celery-taskset-meta-{garbage}.j", "5", "no part")
    turns = AppEffects(app).count([ChordPart(group, "t", 0, "SUCCESS", 1) for group in (damaged, good, garbage)])
    assert isinstance(turns[0], Exception)
    assert isinstance(turns[1], ChordClaim)
    assert isinstance(turns[2], Exception)


def test_a_claim_that_ended_while_the_body_was_sent_is_taken_again_to_close_the_chord(app):
    group = str(uuid.uuid4())
    app.store.groups.open(group, 1)
    effects = AppEffects(app)
    (claim,) = effects.count([ChordPart(group, "t", 0, "SUCCESS", 1)])
    assert isinstance(claim, ChordClaim)
    call(app, "DEL", f"celery-taskset-meta-{group}.c")
    effects.close_chord(claim, "")
    assert call(app, "GET", f"celery-taskset-meta-{group}.c") == b"done"
    assert effects.count([ChordPart(group, "t", 0, "SUCCESS", 1)]) == [None]
