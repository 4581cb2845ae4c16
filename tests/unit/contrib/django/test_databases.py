import pytest

from umbel.contrib.django.databases import beside, broker_url_of, kind_of
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
        (":memory:", "umbel.db"),
        ("file:memorydb_default?mode=memory&cache=shared", "umbel.db"),
        ("", "umbel.db"),
    ],
)
def test_the_file_beside_a_database(name, path):
    assert beside(name) == path


def test_sqlite_is_a_file_of_its_own():
    entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/db.sqlite3"}
    assert broker_url_of("default", entry, SERVED) == "sqlite:////srv/db.umbel.sqlite3"


def test_postgresql_is_its_own_broker_once_there_is_one():
    entry = {"ENGINE": "django.db.backends.postgresql", "NAME": "a b", "USER": "me@x", "PASSWORD": "p/w", "HOST": "db", "PORT": 5433}
    entry["OPTIONS"] = {"sslmode": "require", "pool": True}
    assert broker_url_of("default", entry, (*SERVED, "postgresql")) == "postgresql://me%40x:p%2Fw@db:5433/a%20b?sslmode=require"
    socket = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "HOST": "/run/pg"}
    assert broker_url_of("default", socket, ("postgresql",)) == "postgresql:///x?host=%2Frun%2Fpg"
    assert broker_url_of("default", {**socket, "HOST": ""}, ("postgresql",)) == "postgresql://localhost/x"
    with pytest.raises(
        ImproperlyConfigured, match=r"no broker in a database of kind postgresql \(DATABASES\['default'\]\): set UMBEL_BROKER_URL"
    ) as raised:
        broker_url_of("default", entry, SERVED)
    assert "p/w" not in str(raised.value)


def test_other_databases_are_no_brokers():
    for engine, text in (("django.db.backends.mysql", "of kind mysql"), ("django.db.backends.dummy", "has no 'x'"), ("", "has no 'x'")):
        with pytest.raises(ImproperlyConfigured, match=text):
            broker_url_of("x", {"ENGINE": engine}, SERVED)
