"""The samples of the guide's page."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from umbel import group

pytestmark = pytest.mark.postgresql
PAGE = Path(__file__).parents[3] / "docs" / "guide" / "postgresql.md"


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "guide_orders"
    number: Mapped[int] = mapped_column(primary_key=True)


def test_the_samples(url, unique):
    first, second, third = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(first.replace("postgresql://user:password@localhost/shop", url), names)
    app = names["app"]
    app.conf.task_default_queue = unique("guide")
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    task = app.task(name="task")(lambda x: x)
    with contextlib.closing(app.broker.queue_client()) as client:
        exec(second, {"engine": engine, "order": Order(number=7), "send_invoice": task, "Session": Session})
        assert client.length(app.conf.task_default_queue) == 1
        with engine.begin() as connection, Session(engine) as session:
            exec(third, {"app": app, "connection": connection, "group": group, "resize": task, "names": ["a", "b"], "user_id": 1})
            assert session.scalars(sa.select(Order.number)).all() == [7]
            assert client.length(app.conf.task_default_queue) == 1
        assert client.length(app.conf.task_default_queue) == 4
        client.delete(app.conf.task_default_queue)
    app.close()
    engine.dispose()
