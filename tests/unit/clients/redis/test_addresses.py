from __future__ import annotations

import ssl

import pytest

from umbel.clients.redis.addresses import addresses
from umbel.errors import ImproperlyConfigured


def of(*texts, tls=False, client_name=None, **transport):
    return addresses(texts, tls=tls, transport=transport, connect_timeout=4.0, client_name=client_name)


def test_defaults():
    (address,) = of("redis://")
    assert (address.host, address.port, address.db, address.path, address.tls) == ("127.0.0.1", 6379, 0, None, None)
    assert address.login() == []


def test_user_and_password():
    (address,) = of("redis://me:p%40ss@h:7/3", client_name="umbel worker")
    assert address.login() == [("AUTH", "me", "p@ss"), ("SELECT", "3"), ("CLIENT", "SETNAME", "umbel_worker")]
    assert address.public() == "redis://me:**@h:7/3"
    assert "p@ss" not in repr(address)
    (address,) = of("redis://:secret@h")
    assert address.login() == [("AUTH", "secret")]
    (address,) = of("redis://h/1?password=secret&username=me&db=2")
    assert address.login() == [("AUTH", "me", "secret"), ("SELECT", "2")]


@pytest.mark.parametrize("url", ["redis+socket:///tmp/r.sock?virtual_host=4", "unix:///tmp/r.sock?db=4", "socket:///tmp/r.sock?db=4"])
def test_unix_sockets(url):
    (address,) = of(url)
    assert (address.path, address.db) == ("/tmp/r.sock", 4)
    assert address.public() == "redis+socket:///tmp/r.sock?db=4"


def test_tls():
    (address,) = of("rediss://h")
    assert (address.tls.verify_mode, address.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    (address,) = of("rediss://h?ssl_cert_reqs=none")
    assert (address.tls.verify_mode, address.tls.check_hostname) == (ssl.CERT_NONE, False)
    (address,) = of("redis://h", tls={"ssl_cert_reqs": ssl.CERT_NONE})
    assert address.tls.verify_mode == ssl.CERT_NONE
    (address,) = of("redis://h", tls=True)
    assert address.tls is not None
    assert address.public() == "rediss://h:6379/0"


def test_sentinels():
    (address,) = of(
        "sentinel://h1:26380/2", "sentinel://:pw@h2", master_name="main", sentinel_kwargs={"password": "s"}, min_other_sentinels=1
    )
    assert [(node.host, node.port, node.password) for node in address.sentinels.addresses] == [("h1", 26380, "s"), ("h2", 26379, "s")]
    assert (address.sentinels.service, address.sentinels.min_others, address.db, address.password) == ("main", 1, 2, "pw")
    assert address.public() == "sentinel://h1:26380,h2:26379/2#main"


class Provider:
    def get_credentials(self):
        return "me", "fresh"


def test_credential_providers():
    (address,) = of("redis://old:old@h", credential_provider=Provider())
    assert address.login() == [("AUTH", "me", "fresh")]
    (address,) = of("redis://h", credential_provider=Provider)
    assert address.login() == [("AUTH", "me", "fresh")]


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("redis://h/first", {}, "the database in redis://h/first is 'first'"),
        ("sentinel://h", {}, "master_name"),
        ("rediss://h?ssl_cert_reqs=maybe", {}, "ssl_cert_reqs is 'maybe'"),
        ("redis://h", {"credential_provider": "no.such.thing"}, "credential_provider 'no.such.thing' cannot be imported"),
        ("redis://h", {"credential_provider": object()}, "has no get_credentials"),
    ],
)
def test_what_cannot_be_used_is_named(url, options, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        of(url, **options)


def test_a_failover_list_keeps_its_order():
    assert [address.host for address in of("redis://b", "redis://a")] == ["b", "a"]
