"""Servers in URLs, and what cannot be used."""

import pytest

from chaos.servers import free_port
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.results.memcached import values as module
from umbel.results.memcached.values import MemcachedValues, servers_of


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("cache+memcached://127.0.0.1:11212/", [("127.0.0.1", 11212)]),
        ("memcache://a", [("a", 11211)]),
        ("cache+pymemcache://a:1;b:2/", [("a", 1), ("b", 2)]),
        ("cache+memcached:///run/memcached.sock", ["/run/memcached.sock"]),
    ],
)
def test_servers(url, servers):
    assert servers_of(url) == servers


@pytest.mark.parametrize("url", ["cache+memcached://", "cache+memcached:///", "memcached://;"])
def test_urls_without_a_server(url):
    with pytest.raises(ImproperlyConfigured, match="names no server"):
        servers_of(url)


def test_options_that_the_client_does_not_know():
    with pytest.raises(ImproperlyConfigured, match="colour"):
        MemcachedValues([("h", 1)], {"colour": "red"})
    MemcachedValues([("h", 1)], {"behaviors": {}, "timeout": 1})


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(module, "_READ_PATIENCE", 0.1)
    port = free_port()
    with pytest.raises(OperationalError, match=f"memcached at cache.memcached://127.0.0.1:{port}/ cannot be used"):
        MemcachedValues([("127.0.0.1", port)], {}).read(["k"], None)
