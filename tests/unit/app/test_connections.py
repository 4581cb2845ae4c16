from __future__ import annotations

import pytest

from umbel import Umbel
from umbel.app.connections import lease_options
from umbel.errors import ImproperlyConfigured


def app(**settings):
    return Umbel("a", set_as_current=False, **settings)


def options(**settings):
    return lease_options(app(**settings).conf)


def test_leases_are_where_the_results_are():
    found = options(
        broker="amqp://h//", backend="redis://r/1", result_backend_transport_options={"global_keyprefix": "mine"}, broker_use_ssl=True
    )
    assert (found.url, found.prefix, found.ssl) == ("redis://r/1", "mine_", None)


def test_else_where_the_messages_are():
    found = options(broker="redis://b/0;redis://c/0", backend="rpc://", broker_transport_options={"global_keyprefix": "mine"})
    assert (found.url, found.prefix) == ("redis://b/0;redis://c/0", "mine")
    assert options(broker="sqlite:///x.db", backend="disabled").url == "sqlite:///x.db"


def test_a_setting_of_their_own_counts_first():
    assert options(broker="amqp://h//", backend="redis://r/1", lease_store="db+postgresql://h/n").url == "db+postgresql://h/n"
    assert options(broker="redis://b/0", lease_store="sqlite").url == "sqlite:///umbel.db"


def test_sql_leases_have_the_databases_settings():
    found = options(backend="database", database_url="postgresql://h/n", database_engine_options={"pool_size": 3})
    assert found.url == "db+postgresql://h/n"
    assert found.transport["database"]["engine_options"] == {"pool_size": 3}


def test_where_nothing_can_keep_them_that_is_said():
    with pytest.raises(ImproperlyConfigured, match=r"set lease_store, e\.g\. to redis://"):
        options(broker="amqp://guest@h//", backend="rpc://")
    with pytest.raises(ImproperlyConfigured, match=r"no lease store for amqp://"):
        app(broker="redis://b/0", lease_store="amqp://h//").leases.close()


def test_an_app_has_one_store_and_drops_it_when_it_is_closed():
    given = app(broker="memory:///connections", backend="memory:///connections")
    store = given.leases
    assert given.leases is store
    given.close()
    assert given.leases is not store
    given.close()
