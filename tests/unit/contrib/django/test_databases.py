import pytest

from umbel.contrib.django.databases import beside, broker_url_of, kind_of, postgresql_url
from umbel.errors import ImproperlyConfigured

SERVED = ("sqlite", "redis")


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("django.db.backends.sqlite3", "sqlite"),
        ("django.contrib.gis.db.backends.spatialite", "sqlite"),
        ("django.db.backends.postgresql", "postgresql"),
        ("django.contrib.gis.db.backends.postgis", "postgresql"),
        ("django.db.backends.mysql", "mysql"),
        ("", ""),
    ],
)
def test_kinds(engine, kind):
    assert kind_of({"ENGINE": engine}) == kind


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/srv/db.sqlite3", "/srv/db.umbel.sqlite3"),
        ("db", "db.umbel.db"),
        ("file:/srv/a.db?mode=rwc", "/srv/a.umbel.db"),
    ],
)
def test_the_file_beside_a_database(name, path):
    assert beside(name) == path


def test_sqlite_is_a_file_of_its_own():
    entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/db.sqlite3"}
    assert broker_url_of("default", entry, SERVED) == "sqlite:////srv/db.umbel.sqlite3"


@pytest.mark.parametrize("name", [":memory:", "file:memorydb_default?mode=memory&cache=shared", ""])
def test_beside_a_database_in_memory_there_is_no_file(name):
    assert broker_url_of("default", {"ENGINE": "django.db.backends.sqlite3", "NAME": name}, SERVED) == "memory://"


def test_postgresql_is_its_own_broker_once_there_is_one():
    entry = {"ENGINE": "django.db.backends.postgresql", "NAME": "a b", "USER": "me@x", "PASSWORD": "p/w", "HOST": "db", "PORT": 5433}
    entry["OPTIONS"] = {"sslmode": "require", "pool": True}
    assert broker_url_of("default", entry, (*SERVED, "postgresql")) == "postgresql://me%40x:p%2Fw@db:5433/a%20b?sslmode=require"
    socket = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "HOST": "/run/pg"}
    assert broker_url_of("default", socket, ("postgresql",)) == "postgresql:///x?host=%2Frun%2Fpg"
    assert broker_url_of("default", {**socket, "HOST": ""}, ("postgresql",)) == "postgresql:///x"
    with pytest.raises(
        ImproperlyConfigured, match=r"no broker in a database of kind postgresql \(DATABASES\['default'\]\): set UMBEL_BROKER_URL"
    ) as raised:
        broker_url_of("default", entry, SERVED)
    assert "p/w" not in str(raised.value)


def test_other_databases_are_no_brokers():
    for engine, text in (("django.db.backends.mysql", "of kind mysql"), ("django.db.backends.dummy", "has no 'x'"), ("", "has no 'x'")):
        with pytest.raises(ImproperlyConfigured, match=text):
            broker_url_of("x", {"ENGINE": engine}, SERVED)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:p@db/shop", True),
        ("postgres://other@db:5432/shop?sslmode=require", True),
        ("postgresql://u:p@db:5433/shop", False),
        ("postgresql://u:p@elsewhere/shop", False),
        ("postgresql://u:p@db/other", False),
        ("redis://db/shop", False),
        ("postgresql://db:x/shop", False),
        (["postgresql://db/shop"], False),
    ],
)
def test_a_broker_is_in_a_database_or_not(url, found):
    from umbel.contrib.django.outbox.enlisting import is_in

    entry = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "HOST": "db"}
    assert is_in(url, entry) is found
    assert is_in(postgresql_url(entry), entry)
    assert not is_in(url, {**entry, "ENGINE": "django.db.backends.mysql"})
    socket = {**entry, "HOST": "/run/pg"}
    assert is_in(postgresql_url(socket), socket)
