"""Errors of databases in plain words."""

from __future__ import annotations

import pytest
from sqlalchemy import exc

from umbel.clients.sql.addresses import url_of
from umbel.clients.sql.engine import Database, translate
from umbel.errors import AccessRefused, ImproperlyConfigured

URL = url_of("postgresql://u:secret@h/n")


def told(kind, text, lost=False):
    return translate(kind("SELECT secret values", {"a": "value"}, Exception(text), connection_invalidated=lost), URL)


@pytest.mark.parametrize(
    "text",
    ['password authentication failed for user "u"', "Access denied for user 'u'", "permission denied for table x", "no pg_hba.conf entry"],
)
def test_who_is_not_let_in_is_told(text):
    found = told(exc.OperationalError, text)
    assert isinstance(found, AccessRefused)
    assert str(found) == f"the SQL database postgresql+psycopg://u:***@h/n: {text}"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (exc.OperationalError, "connection refused"),
        (exc.OperationalError, "the database system is starting up"),
        (exc.InternalError, "Deadlock found when trying to get lock"),
        (exc.ProgrammingError, "could not serialize access"),
        (exc.IntegrityError, "duplicate key"),
    ],
)
def test_what_may_pass(kind, text):
    assert not told(kind, text).is_permanent


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (exc.OperationalError, 'database "n" does not exist'),
        (exc.OperationalError, "(1049, Unknown database 'n')"),
        (exc.ProgrammingError, 'relation "x" does not exist'),
        (exc.DataError, "value too long"),
    ],
)
def test_what_stays(kind, text):
    assert told(kind, text).is_permanent
    assert not told(kind, text, lost=True).is_permanent


def test_no_statement_no_values_no_password():
    found = str(told(exc.OperationalError, "bad 'secret'\n  at line 1"))
    assert found == "the SQL database postgresql+psycopg://u:***@h/n: bad '***' at line 1"


def test_options_that_the_engine_does_not_know():
    database = Database(URL, {"no_such_option": 1}, None, lambda engine: None)
    with pytest.raises(ImproperlyConfigured, match=r"database_engine_options: .*no_such_option"):
        database.run(lambda connection: None, 1)
