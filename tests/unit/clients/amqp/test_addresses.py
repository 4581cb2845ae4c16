import ssl

import pytest

from umbel.brokers.base import BrokerOptions
from umbel.clients.amqp.addresses import address, addresses, in_order, tls_context
from umbel.errors import ImproperlyConfigured


def parsed(url, heartbeat=0, **options):
    return address(url, BrokerOptions(urls=(url,), **options), heartbeat=heartbeat)


@pytest.mark.parametrize(
    ("url", "vhost"),
    [
        ("amqp://h", "/"),
        ("amqp://h/", "/"),
        ("amqp://h//", "/"),
        ("amqp://h/name", "name"),
        ("amqp://h//name", "/name"),
        ("amqp://h/a%2Fb", "a/b"),
        ("amqp://h/%2F", "/"),
    ],
)
def test_virtual_hosts(url, vhost):
    assert parsed(url).login.vhost == vhost


def test_defaults():
    found = parsed("amqp://")
    assert (found.host, found.port, found.login.user, found.login.password, found.tls) == ("localhost", 5672, "guest", "guest", None)
    assert parsed("amqps://h").port == 5671
    assert parsed("amqp://u@h").login.password == ""


def test_what_is_shown_has_no_password():
    found = parsed("amqp://me:secret@h:1/v")
    assert found.public == "amqp://me:**@h:1/v"
    assert "secret" not in repr(found)


def test_heartbeats():
    assert parsed("amqp://h", heartbeat=60).login.heartbeat == 60
    assert parsed("amqp://h?heartbeat=5", heartbeat=60).login.heartbeat == 5
    assert parsed("amqp://h?heartbeat=5").login.heartbeat == 0  # blocking clients send none


def test_login_methods():
    assert parsed("amqp://h", login_method="external").login.mechanism == "EXTERNAL"
    assert parsed("amqp://h?login_method=AMQPLAIN").login.mechanism == "AMQPLAIN"
    with pytest.raises(ImproperlyConfigured, match="GSSAPI"):
        parsed("amqp://h", login_method="GSSAPI")


def test_tls():
    assert parsed("amqp://h", ssl=True).tls == {}
    assert parsed("amqp://h?ssl=true").tls == {}
    found = parsed("amqps://h?cacertfile=/ca&certfile=/c&keyfile=/k&verify=verify_none&server_name_indication=n").tls
    assert found == {"ca_certs": "/ca", "certfile": "/c", "keyfile": "/k", "cert_reqs": ssl.CERT_NONE, "server_hostname": "n"}
    assert parsed("amqps://h?cacertfile=/ca", ssl={"ca_certs": "/other"}).tls == {"ca_certs": "/other"}


def test_the_peer_is_verified_unless_told_otherwise():
    assert (tls_context({}).verify_mode, tls_context({}).check_hostname) == (ssl.CERT_REQUIRED, True)
    for value in (ssl.CERT_NONE, "none", "CERT_NONE"):
        assert tls_context({"cert_reqs": value}).verify_mode == ssl.CERT_NONE
    assert tls_context({"check_hostname": False}).verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(ImproperlyConfigured, match="maybe"):
        tls_context({"cert_reqs": "maybe"})
    with pytest.raises(ImproperlyConfigured, match="/no/such/file"):
        tls_context({"ca_certs": "/no/such/file"})


def test_bad_numbers():
    with pytest.raises(ImproperlyConfigured, match=r"heartbeat.*often"):
        parsed("amqp://h?heartbeat=often", heartbeat=60)
    with pytest.raises(ImproperlyConfigured):
        addresses(BrokerOptions(urls=()), heartbeat=0)


def test_the_order_of_nodes():
    nodes = addresses(BrokerOptions(urls=("amqp://a", "amqp://b", "amqp://c")), heartbeat=0)
    assert [node.host for node in in_order(nodes, "round-robin", 1)] == ["b", "c", "a"]
    assert sorted(node.host for node in in_order(nodes, "shuffle")) == ["a", "b", "c"]
