"""What is counted of a chord stands in Redis as Celery's workers leave it (captured from Celery 5.7)."""

from __future__ import annotations

import uuid

import pytest

from umbel.results.base import StoreOptions
from umbel.results.group_store import ChordClaim, ChordPart
from umbel.results.redis import RedisStore

pytestmark = pytest.mark.redis


@pytest.fixture
def store(redis_store_url):
    made = RedisStore(StoreOptions(url=redis_store_url, expires=60.0))
    yield made
    made.close()


def call(store: RedisStore, *command: str):
    return store._connections.use(lambda connection: connection.call(*command), 5.0)


def test_the_six_keys(store):
    group = str(uuid.uuid4())
    key = f"celery-taskset-meta-{group}"
    store.groups.open(group, 2, [[group, None], []])
    assert call(store, "GET", f"{key}.s") == b"2"
    assert call(store, "GET", key) == b'{"result": [["%s", null], []]}' % group.encode()
    store.groups.grow(group, "c")
    assert call(store, "GET", f"{key}.t") == b"1"
    store.groups.count([ChordPart(group, "a", 0, "SUCCESS", 2), ChordPart(group, "b", None, "FAILURE", {"exc_type": "E"})])
    members = [b'[1, "a", "SUCCESS", 2]', b'[1, "b", "FAILURE", {"exc_type": "E"}]']
    assert call(store, "ZRANGE", f"{key}.j", "0", "-1") == members
    assert [call(store, "ZRANK", f"{key}.j", member) for member in members] == [0, 1]
    assert call(store, "ZCOUNT", f"{key}.j", "0", "0") == call(store, "ZCOUNT", f"{key}.j", "+inf", "+inf") == 1
    assert set(call(store, "SMEMBERS", f"{key}.d")) == {b"a:0", b"b:+inf"}
    (claim,) = store.groups.count([ChordPart(group, "c", 1, "SUCCESS", 3)])
    assert isinstance(claim, ChordClaim)
    assert call(store, "GET", f"{key}.c") == claim.token.encode()
    assert all(0 < call(store, "TTL", f"{key}{suffix}") <= 60 for suffix in ("", ".j", ".t", ".s", ".d", ".c"))
    assert store.groups.close(claim)
    assert call(store, "EXISTS", f"{key}.j", f"{key}.t", f"{key}.s", f"{key}.d") == 0
    assert call(store, "GET", f"{key}.c") == b"done"


def test_a_list_where_the_order_does_not_matter(redis_store_url):
    store = RedisStore(StoreOptions(url=redis_store_url, expires=60.0, transport={"result_chord_ordered": False}))
    try:
        group = str(uuid.uuid4())
        store.groups.open(group, 2)
        store.groups.count([ChordPart(group, "a", 1, "SUCCESS", 2)])
        (claim,) = store.groups.count([ChordPart(group, "b", 0, "SUCCESS", 3)])
        assert isinstance(claim, ChordClaim)
        assert [part.task_id for part in claim.parts] == ["a", "b"]
    finally:
        store.close()


def test_a_server_that_has_forgotten_its_scripts(store):
    group = str(uuid.uuid4())
    store.groups.open(group, 2)
    call(store, "SCRIPT", "FLUSH")
    found = store.groups.count([ChordPart(group, "a", 0, "SUCCESS", 2), ChordPart(group, "b", 1, "SUCCESS", 2)])
    assert [type(each) for each in found] == [type(None), ChordClaim]
