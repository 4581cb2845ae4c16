"""Calls in sessions of SQLAlchemy, on SQLite and PostgreSQL; the broker is a SQLite file, so that what waits in it can be seen."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from umbel import Umbel, chain
from umbel.contrib.sqlalchemy import SessionOutbox
from umbel.errors import ImproperlyConfigured, OperationalError


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders_of_tests"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def engine(request, tmp_path):
    url = f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url").removeprefix("db+")
    engine = sa.create_engine(url)
    yield engine
    with engine.begin() as connection:
        for name in ("umbel_outbox_message", "umbel_outbox_shard", "orders_of_tests"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    engine.dispose()


@pytest.fixture
def app(tmp_path):
    with Umbel("shop", broker=f"sqlite:///{tmp_path}/umbel.db", result_backend="disabled", set_as_current=False) as app:
        app.task(name="add")(lambda x=0, y=0: x)
        yield app


@pytest.fixture
def outbox(app, engine):
    outbox = SessionOutbox(app, engine, metadata=Base.metadata if "umbel_outbox_message" not in Base.metadata.tables else None)
    Base.metadata.create_all(engine)
    outbox.create_tables()
    return outbox


def waiting(app):
    client = app.broker.queue_client()
    found = [delivery.headers["id"] for delivery in client.peek("celery", 100)] if client.length("celery") else []
    client.close()
    return found


def test_a_call_belongs_to_the_session(app, outbox, engine):
    add = app.tasks["add"]
    with Session(engine) as session, outbox.within(session):
        session.add(Order(id=1))
        first = add.delay(1)
        with session.begin_nested() as savepoint:
            add.delay(2)
            savepoint.rollback()
        second = chain(add.s(3), add.s(4)).apply_async()
        assert outbox.drain() == 0 if engine.dialect.name != "sqlite" else True  # there, the session has the file
        session.commit()
    assert waiting(app) == []
    assert outbox.drain() == 2
    assert waiting(app) == [first.id, second.parent.id]
    with Session(engine) as session, outbox.within(session):
        add.delay(5)
        session.rollback()
    assert outbox.drain() == 0
    outside = add.delay(6)
    assert waiting(app)[-1] == outside.id


def test_sessions_that_are_followed(app, outbox, engine):
    make = sessionmaker(engine)
    outbox.follow(make)
    add = app.tasks["add"]
    with make.begin() as session:
        session.add(Order(id=1))
        session.flush()
        inside = add.delay(1)
        assert waiting(app) == []
    outside = add.delay(2)
    assert waiting(app) == [outside.id]
    assert outbox.drain() == 1
    assert waiting(app) == [outside.id, inside.id]


@pytest.mark.parametrize("engine", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_session_of_coroutines(app, outbox, engine):
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def buy():
        asynchronous = create_async_engine(engine.url)
        async with AsyncSession(asynchronous) as session, session.begin():
            with outbox.within(session):
                session.add(Order(id=7))
                handle = await app.tasks["add"].adelay(7)
                assert waiting(app) == []
        await asynchronous.dispose()
        return handle

    handle = asyncio.run(buy())
    assert outbox.drain() == 1
    assert waiting(app) == [handle.id]


def test_what_the_broker_does_not_take_stays(app, outbox, engine):
    with Session(engine) as session, outbox.within(session):
        bad = app.tasks["add"].apply_async((1,), exchange="nowhere", routing_key="x")
        app.tasks["add"].delay(2)
        session.commit()
    outbox.drain()
    assert len(waiting(app)) == 1
    with engine.connect() as connection:
        (row,) = connection.execute(sa.select(outbox.tables.message)).all()
    assert (row.task_id, row.refused.partition(":")[0]) == (bad.id, "MessageReturned")


def test_wrong_engines(app):
    from sqlalchemy.ext.asyncio import create_async_engine

    with pytest.raises(ImproperlyConfigured, match="sync_engine"):
        SessionOutbox(app, create_async_engine("postgresql+psycopg://nowhere/x"), prefix="a")
    alone = SessionOutbox(app, prefix="b")
    with pytest.raises(ImproperlyConfigured, match="has no engine"):
        alone.drain()
    nowhere = SessionOutbox(app, "sqlite:////nowhere/at/all.db", prefix="c")
    with pytest.raises(OperationalError, match="the outbox sqlite"):
        nowhere.drain()
