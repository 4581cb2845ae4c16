from __future__ import annotations

import pytest

from umbel import Umbel
from umbel.errors import OperationalError


@pytest.fixture
def app():
    with Umbel("proj", broker="memory://", set_as_current=False) as app:
        yield app


def test_it_is_what_monitors_expect(app):
    with app.connection() as connection, app.connection_for_read() as reading:
        assert connection.as_uri() == reading.as_uri() == app.broker.public_url()
        assert connection.ensure_connection(max_retries=1) is connection.connect() is connection
        assert connection.connected
        assert connection.clone().as_uri() == connection.as_uri()
        assert connection.default_channel is connection.channel() is connection
        assert "memory" in repr(connection)
    connection.close()
    assert connection.connection_errors + connection.channel_errors == (OperationalError,)


def test_a_broker_that_does_not_answer(monkeypatch):
    with Umbel("away", broker="redis://127.0.0.1:1/0", set_as_current=False) as app:
        connection, told = app.connection(), []
        assert not connection.connected
        with pytest.raises(OperationalError):
            connection.ensure_connection(lambda error, pause: told.append((type(error), pause)), max_retries=2, interval_start=0.001)
        assert [kind for kind, _ in told] == [OperationalError, OperationalError]


def test_no_password_is_shown():
    with Umbel("secret", broker="redis://:hunter2@127.0.0.1:1/0", set_as_current=False) as app:
        assert "hunter2" not in app.connection().as_uri(include_password=True) + repr(app.connection())
