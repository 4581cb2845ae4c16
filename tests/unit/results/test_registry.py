from __future__ import annotations

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.results import registry
from umbel.results.base import StoreOptions


@pytest.mark.parametrize("text", [None, "", "disabled", "disabled://"])
def test_no_store(text):
    assert registry.canonical(text) is None


@pytest.mark.parametrize(
    ("text", "url"),
    [("redis", "redis://"), ("rpc", "rpc://"), ("rpc://", "rpc://"), ("cache+memory", "cache+memory://"), (" redis://h/1 ", "redis://h/1")],
)
def test_short_names(text, url):
    assert registry.canonical(text) == url


def test_the_redis_store():
    store = registry.connect(StoreOptions(url="redis://:secret@localhost:6379/5"))
    assert store is not None
    assert store.public_url() == "redis://:**@localhost:6379/5"
    assert store.shared
    assert store.reply_to is None


@pytest.mark.parametrize(
    ("url", "text"), [("reddis://h", "did you mean rediss?://"), ("nowhere", "expected a URL"), ("zz://", "known are .*redis")]
)
def test_unknown_ones(url, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        registry.connect(StoreOptions(url=url))


def test_the_path_of_a_factory():
    store = registry.connect(StoreOptions(url="fakes.stores:make"))
    assert store is not None
    assert store.options.url == "fakes.stores:make"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("fakes.stores.Nothing", "lacks options, store, .*a backend class of Celery's is none"),
        ("umbel.results.memory:nothing", "has no attribute .nothing"),
        ("nosuchmodule.Backend", "needs the library 'nosuchmodule'"),
        ("builtins:len", "cannot be called with a StoreOptions"),
    ],
)
def test_paths_that_lead_to_no_store(path, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        registry.connect(StoreOptions(url=path))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("amqp://guest@localhost", "use rpc://"),
        (
            "cassandra://h",
            "Celery's results in Cassandra are not there yet; known are cache.memory, django-db, memory, mongodb, redis, rpc, sqlite",
        ),
        ("s3://bucket", "S3 are not there yet"),
        ("zz://", "known are"),
    ],
)
def test_celerys_other_stores_are_told_apart_from_unknown_ones(url, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        registry.check(url)
    with pytest.raises(ImproperlyConfigured, match=text):
        registry.connect(StoreOptions(url=url))


def test_a_name_alone_is_told_too():
    with pytest.raises(ImproperlyConfigured, match="Elasticsearch are not there yet"):
        registry.connect(StoreOptions(url="elasticsearch"))


def test_what_is_served_passes():
    for url in (None, "redis://h", "rpc://", "sqlite:///x.db", "cache+memory://", "fakes.stores:make"):
        registry.check(url)
