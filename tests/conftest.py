"""Servers for tests: where they are, and what happens when they are not there.

``UMBEL_TEST_RABBITMQ``, ``UMBEL_TEST_REDIS``, ``UMBEL_TEST_POSTGRESQL``, ``UMBEL_TEST_MARIADB``, ``UMBEL_TEST_MEMCACHED`` and ``UMBEL_TEST_MONGODB`` give the URLs (defaults: this
machine). A test that needs one carries the marker ``rabbitmq``, ``redis``, ``postgresql``, ``mariadb``, ``memcached`` or ``mongodb``; without the server it is skipped with
one line, and with ``CI=true`` it fails.

Fixtures: `rabbitmq_url` (a virtual host of its own for the session), `redis_url` and `redis_store_url` (databases 3 and 4 unless the
environment names one), `postgresql_url` and `mariadb_url` (a database of its own for the session), `unique` (a name nobody else uses).
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Callable, Generator, Iterator
from urllib.parse import urlsplit

import hypothesis
import pytest

import tiers

pytest_plugins = ["umbel.testing.plugin"]
pytest.register_assert_rewrite("contracts.fanout_contract")

# How long an example takes depends on who else uses the machine.
hypothesis.settings.register_profile("umbel", deadline=None)
hypothesis.settings.load_profile("umbel")

RABBITMQ = os.environ.get("UMBEL_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672").rstrip("/")
REDIS = os.environ.get("UMBEL_TEST_REDIS", "redis://127.0.0.1:6379").rstrip("/")
POSTGRESQL = os.environ.get("UMBEL_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("UMBEL_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test")
MEMCACHED = os.environ.get("UMBEL_TEST_MEMCACHED", "memcached://127.0.0.1:11211").rstrip("/")
MONGODB = os.environ.get("UMBEL_TEST_MONGODB", "mongodb://127.0.0.1:27017").rstrip("/")
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
SERVERS = {
    "rabbitmq": (RABBITMQ, 5672, "UMBEL_TEST_RABBITMQ"),
    "redis": (REDIS, 6379, "UMBEL_TEST_REDIS"),
    "postgresql": (POSTGRESQL, 5432, "UMBEL_TEST_POSTGRESQL"),
    "mariadb": (MARIADB, 3306, "UMBEL_TEST_MARIADB"),
    "memcached": (MEMCACHED, 11211, "UMBEL_TEST_MEMCACHED"),
    "mongodb": (MONGODB, 27017, "UMBEL_TEST_MONGODB"),
}


@functools.cache
def absent(server: str) -> str | None:
    """Why a server cannot be used, or ``None`` when it answers."""
    url, default_port, variable = SERVERS[server]
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or default_port)
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError as error:
        return f"no {server} at {address[0]}:{address[1]} ({error}); set {variable}"
    return None


def pytest_configure(config: pytest.Config) -> None:
    tiers.register(config)
    # A shell has its background jobs ignore it, and so would every process that a test starts and interrupts.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for server in SERVERS:
        if item.get_closest_marker(server) and (reason := absent(server)):
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``CI=true`` a skipped test, for whatever reason, is a failed one."""
    report = yield
    if CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"left out, which CI does not allow: {report.longrepr}"
    return report


def _rabbitmqctl(*arguments: str) -> bool:
    done = subprocess.run(["rabbitmqctl", "--quiet", *arguments], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """RabbitMQ, in a virtual host of this session where ``rabbitmqctl`` can make one, else in the default one (use `unique` names)."""
    parts = urlsplit(RABBITMQ)
    vhost = f"umbel-test-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    local = (parts.hostname or "127.0.0.1") in ("127.0.0.1", "localhost", "::1")
    made = not parts.path and local and bool(shutil.which("rabbitmqctl")) and _rabbitmqctl("add_vhost", vhost)
    if not made:
        yield RABBITMQ if parts.path else f"{RABBITMQ}/"
        return
    try:
        assert _rabbitmqctl("set_permissions", "-p", vhost, parts.username or "guest", ".*", ".*", ".*")
        yield f"{RABBITMQ}/{vhost}"
    finally:
        _rabbitmqctl("delete_vhost", vhost)


def _redis(database: int) -> str:
    return REDIS if urlsplit(REDIS).path else f"{REDIS}/{database}"


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Redis as a broker. Other sessions may use the same database at the same time: do not flush it, use `unique` names."""
    return _redis(3)


@pytest.fixture(scope="session")
def redis_store_url() -> str:
    """Redis as a result store; shared like `redis_url`."""
    return _redis(4)


@contextlib.contextmanager
def sql_database(url: str) -> Iterator[str]:
    """A database of its own on an SQL server, as the URL of a result store."""
    import sqlalchemy as sa

    from umbel.clients.sql.addresses import url_of

    name = f"umbel_test_{os.getpid()}_{uuid.uuid4().hex[:6]}"
    engine = sa.create_engine(url_of(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield f"db+{url_of(url).set(database=name).render_as_string(hide_password=False)}"
    finally:
        with engine.connect() as connection:
            force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
        engine.dispose()


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """PostgreSQL as a result store, in a database of this session."""
    with sql_database(POSTGRESQL) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """MariaDB as a result store, in a database of this session."""
    with sql_database(MARIADB) as url:
        yield url


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes names that no other test uses: ``unique("q")`` is the same within one test."""
    mark = uuid.uuid4().hex[:12]
    return lambda name: f"{name}-{mark}"


@pytest.fixture(scope="session")
def memcached_url() -> str:
    """Memcached as a result store. Other sessions may use it at the same time: do not flush it, use ids and prefixes that nobody else uses."""
    return f"cache+{MEMCACHED}/"


@pytest.fixture(scope="session")
def mongodb_url() -> Iterator[str]:
    """MongoDB as a result store, in a database of this session."""
    import pymongo

    name = f"umbel_test_{os.getpid()}_{uuid.uuid4().hex[:6]}"
    try:
        yield f"{MONGODB}/{name}"
    finally:
        with pymongo.MongoClient(MONGODB) as client:
            client.drop_database(name)
