"""Messages in a transaction of the caller's own."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from umbel import Umbel, group
from umbel.errors import ImproperlyConfigured, PublishError

pytestmark = pytest.mark.postgresql


@pytest.fixture
def app(url, unique):
    with Umbel("enlisting", broker=url, set_as_current=False) as app:
        app.conf.task_default_queue = unique("enlisting")
        app.task(name="add")(lambda x, y: x + y)
        yield app
        with contextlib.closing(app.broker.queue_client()) as client:
            client.delete(app.conf.task_default_queue)


@pytest.fixture
def length(app):
    """How many messages there are to be run."""
    with contextlib.closing(app.broker.queue_client()) as client:
        yield lambda: client.length(app.conf.task_default_queue)


def test_a_message_is_there_from_the_commit_on(app, length, url):
    add = app.tasks["add"]
    with psycopg.connect(url) as connection:
        add.using(connection).delay(1, 2)
        add.using(connection.cursor()).apply_async((3, 4), priority=5)
        assert not length()
    assert length() == 2
    with psycopg.connect(url) as connection:
        add.using(connection).delay_many([(number, number) for number in range(10)])
        connection.rollback()
    assert length() == 2


def test_sqlalchemy(app, length, url):
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session:
        app.tasks["add"].using(session).delay(1, 2)
        session.rollback()
        app.tasks["add"].using(session).delay(3, 4)
        session.commit()
    assert length() == 1
    with engine.connect() as connection, connection.begin() as transaction, app.using(connection):
        group(app.tasks["add"].s(1, 1), app.tasks["add"].s(2, 2)).delay()
        app.send_task("add", (5, 6))
        assert length() == 1
        transaction.commit()
    assert length() == 4
    engine.dispose()


def test_what_is_not_of_the_block_is_sent_at_once(app, length, url):
    with psycopg.connect(url) as connection:
        with app.using(connection):
            app.tasks["add"].delay(1, 2)
        app.tasks["add"].delay(3, 4)
        assert length() == 1
        connection.rollback()
    assert length() == 1


def test_what_cannot_be_enlisted(app, url):
    with pytest.raises(ImproperlyConfigured, match="got int"):
        app.tasks["add"].using(1).delay(1, 2)
    other = psycopg.connect(url, options="-csearch_path=pg_catalog")
    with contextlib.closing(other), pytest.raises(PublishError, match="umbel_enqueue"):
        app.tasks["add"].using(other).delay(1, 2)
    with Umbel("elsewhere", broker="memory:///enlisting", set_as_current=False) as elsewhere:
        task = elsewhere.task(name="task")(lambda: None)
        with pytest.raises(ImproperlyConfigured, match="needs a broker in the connection's own database"):
            task.using(other).delay()
