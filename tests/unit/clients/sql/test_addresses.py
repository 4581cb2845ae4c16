from __future__ import annotations

import importlib.util

import pytest

from umbel.clients.sql import addresses
from umbel.clients.sql.addresses import public, url_of, without_password
from umbel.errors import ImproperlyConfigured


def test_a_driver_that_is_installed_is_taken():
    assert url_of("db+postgresql://u:secret@h:5/n").drivername == "postgresql+psycopg"
    assert url_of("mysql://h/n").drivername == "mysql+pymysql"
    assert url_of("db+mysql+pymysql://h/n").drivername == "mysql+pymysql"
    assert url_of("db+sqlite:///x.db").drivername == "sqlite"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("db+postgresql://u:secret@h:port/n", "cannot be read: expected e.g. db.postgresql://"),
        ("db+secret", "cannot be read"),
        ("db+nosuch://u:secret@h/n", "SQLAlchemy knows no database db.nosuch://"),
        ("db+postgresql+asyncpg://u:secret@h/n", "for event loops"),
        ("db+postgresql+psycopg2://u:secret@h/n", "pip install psycopg2-binary"),
        ("db+oracle://u:secret@h/n", "is not installed: pip install"),
        ("db+sqlite://", "memory://"),
        ("db+sqlite:///:memory:", "memory://"),
    ],
)
def test_urls_that_cannot_be_used(text, words):
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        url_of(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_driver_at_all(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r'pip install "psycopg\[binary\]" or psycopg2-binary'):
        addresses.url_of("db+postgresql://h/n")


def test_urls_for_people():
    url = url_of("db+postgresql://u:secret@h/n?sslpassword=secret2&x=1")
    assert public(url) == "postgresql+psycopg://u:***@h/n"
    assert without_password("a secret2 and a secret", url) == "a *** and a ***"
