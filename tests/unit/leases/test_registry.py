from __future__ import annotations

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.leases import registry
from umbel.leases.base import LeaseOptions


@pytest.mark.parametrize("url", ["redis://h/0", "rediss://h", "sentinel://h:1", "sqlite:///x.db", "db+postgresql://h/n", "memory://"])
def test_stores_there_are(url):
    assert registry.is_served(url)


@pytest.mark.parametrize("url", [None, "", "redis", "amqp://h//", "rpc://", "disabled://"])
def test_and_none(url):
    assert not registry.is_served(url)


def test_an_unknown_scheme_is_told_with_what_there_is():
    with pytest.raises(ImproperlyConfigured, match=r"no lease store for rediz:// URLs; did you mean redis://\?"):
        registry.connect(LeaseOptions(url="rediz://h"))


def test_nothing_is_connected_before_it_is_used():
    store = registry.connect(LeaseOptions(url="redis://user:secret@127.0.0.1:1/0"))
    assert "secret" not in store.public_url()
    store.close()
