"""The outbox on real databases: SQLite, and PostgreSQL where it answers."""

import pytest

import django_project
from umbel import Umbel
from umbel.contrib.django import DjangoTask
from umbel.contrib.outbox.base import REFUSED


@pytest.fixture(scope="module", params=["default", pytest.param("server", marks=pytest.mark.postgresql)])
def alias(request, project):
    if request.param == "server":
        django_project.add_server(request.getfixturevalue("postgresql_url"))
    return request.param


@pytest.fixture
def make_app(alias, tmp_path):
    """Makes an app of the project, for a broker."""
    from django.test import override_settings

    from umbel.contrib.django import preparing
    from umbel.contrib.django.models import OutboxMessage

    apps = []

    def make(broker=f"sqlite:///{tmp_path}/umbel.db"):
        app = Umbel("shop", broker=broker, task_cls=DjangoTask, set_as_current=False, result_backend="disabled")
        preparing.connect(app)
        app.task(name="add")(lambda x=0: x)
        apps.append(app)
        return app

    with override_settings(UMBEL_OUTBOX=[alias]):
        yield make
    OutboxMessage.objects.using(alias).all().delete()
    for app in apps:
        app.close()


def relay(app, alias):
    from umbel.contrib.django.outbox.relaying import relays_of

    (found,) = relays_of(app, [alias])
    return found


def waiting(app):
    client = app.broker.queue_client()
    found = [delivery.headers["id"] for delivery in client.peek("celery", 100)] if client.length("celery") else []
    client.close()
    return found


def test_a_call_belongs_to_its_transaction(make_app, alias):
    from django.db import transaction

    app = make_app()
    add = app.tasks["add"]
    with transaction.atomic(using=alias):
        first = add.delay(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
            add.delay(2)
            raise ZeroDivisionError
        second = add.apply_async_on_commit((3,), using=alias)
        assert waiting(app) == []
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        add.delay(4)
        raise ZeroDivisionError
    assert waiting(app) == []
    assert relay(app, alias).drain() == 2
    assert waiting(app) == [first.id, second.id]
    third = add.delay(5)  # there is no transaction
    assert waiting(app)[-1] == third.id


def test_the_broker_may_be_down_at_the_commit(make_app, alias, tmp_path):
    from django.db import transaction

    from umbel.errors import OperationalError

    away = make_app("amqp://127.0.0.1:1//")
    away.conf.task_publish_retry = False
    with transaction.atomic(using=alias):
        handle = away.tasks["add"].delay(1)
    with pytest.raises(OperationalError):
        relay(away, alias).work()
    back = make_app()
    assert relay(back, alias).drain() == 1
    assert waiting(back) == [handle.id]


def test_two_relays_share_the_work_and_none_takes_what_the_other_has(make_app, alias, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections, transaction

    from umbel.contrib.django.outbox import writing
    from umbel.contrib.django.outbox.table import DatabaseOutbox

    app = make_app()
    for shard in (1, 2):
        monkeypatch.setattr(writing, "shard_of_process", lambda shard=shard: shard)
        with transaction.atomic(using=alias):
            app.tasks["add"].delay(shard)

    def take():
        with DatabaseOutbox(alias).batch(10) as batch:
            found = None if batch is None else [number for number, _ in batch.rows]
        connections.close_all()
        return found

    with ThreadPoolExecutor(1) as thread:
        with DatabaseOutbox(alias).batch(10) as mine:
            others = thread.submit(take).result()
            assert others != [number for number, _ in mine.rows]
            assert len(others) == len(mine.rows) == 1
        assert thread.submit(take).result() is not None  # given back


def test_what_the_broker_refuses_is_put_aside_and_taken_back(make_app, alias, capsys):
    from django.core.management import call_command
    from django.db import transaction

    from umbel import current
    from umbel.contrib.django.models import OutboxMessage

    app = make_app()
    with transaction.atomic(using=alias):
        app.tasks["add"].apply_async((1,), exchange="nowhere", routing_key="x")
        good = app.tasks["add"].delay(2)
    relay(app, alias).drain()
    assert waiting(app) == [good.id]
    (left,) = OutboxMessage.objects.using(alias).all()
    assert (left.shard, left.refused.partition(":")[0]) == (REFUSED, "MessageReturned")
    current.set_default_app(app)
    call_command("umbel_relay", "--retry", "--once")
    assert "1 taken back" in capsys.readouterr().out


@pytest.mark.parametrize("alias", [pytest.param("server", marks=pytest.mark.postgresql)], indirect=True)
def test_where_the_broker_is_the_database_a_call_is_its_message_at_once(make_app, alias):
    from django.db import connections, transaction

    from umbel.contrib.django.databases import postgresql_url
    from umbel.contrib.django.models import OutboxMessage

    app = make_app(postgresql_url(connections.databases[alias]))
    add = app.tasks["add"]
    with transaction.atomic(using=alias):
        first = add.delay(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
            add.delay(2)
            raise ZeroDivisionError
        second = add.apply_async_on_commit((3,), using=alias)
        third = add.delay_many([4])[0]
        assert waiting(app) == []
    assert waiting(app) == [first.id, second.id, third.id]
    assert not OutboxMessage.objects.using(alias).exists()
    outside = add.delay(5)
    assert waiting(app)[-1] == outside.id
    assert app.worker_services[-1](None)._relays == []


def test_without_its_tables_it_is_an_error():
    from django.test import override_settings

    from umbel.contrib.django import preparing
    from umbel.errors import ImproperlyConfigured

    app = Umbel("classic", broker="memory://", set_as_current=False)
    installed = ["django.contrib.auth", "django.contrib.contenttypes"]
    with (
        override_settings(UMBEL_OUTBOX=True, INSTALLED_APPS=installed),
        pytest.raises(ImproperlyConfigured, match=r"add 'umbel\.contrib\.django'"),
    ):
        preparing.connect(app)
