import pytest

from umbel.clients.base import ConnectionOptions
from umbel.clients.postgresql.addresses import Address, addresses_of
from umbel.errors import ImproperlyConfigured


def read(url, **options):
    return Address.of(url, ConnectionOptions(urls=(url,), **options))


def test_a_url_is_read_as_libpq_reads_it():
    address = read("postgres://me:s%40cret@db.example:5433/tasks?sslmode=require")
    found = address.parameters
    assert (found["user"], found["password"], found["host"], found["port"]) == ("me", "s@cret", "db.example", "5433")
    assert (found["dbname"], found["sslmode"]) == ("tasks", "require")
    assert address.public() == "postgresql://me@db.example:5433/tasks"
    assert address.without_password("s@cret is wrong") == "*** is wrong"


def test_a_socket_and_several_hosts():
    assert read("postgresql:///tasks?host=/run/postgresql").public() == "postgresql://%2Frun%2Fpostgresql/tasks"
    assert read("postgresql://a,b/tasks").parameters["host"] == "a,b"


def test_what_cannot_be_read_tells_no_password():
    with pytest.raises(ImproperlyConfigured, match="cannot be read") as caught:
        read("postgresql://me:secret@host/tasks?no_such_option=1")
    assert "secret" not in str(caught.value)


def test_tls_by_the_words_of_the_settings():
    found = read("postgresql://h/d", ssl={"ca_certs": "/ca", "certfile": "/c", "keyfile": "/k"}).parameters
    assert (found["sslmode"], found["sslrootcert"], found["sslcert"], found["sslkey"]) == ("verify-full", "/ca", "/c", "/k")
    assert read("postgresql://h/d", ssl=True).parameters["sslmode"] == "require"
    with pytest.raises(ImproperlyConfigured, match="'ssl_version' means nothing"):
        read("postgresql://h/d", ssl={"ssl_version": 5})


def test_a_failover_list():
    urls = ("postgresql://a/d", "postgresql://b/d")
    assert [address.public() for address in addresses_of(ConnectionOptions(urls=urls))] == list(urls)
