import pytest

from umbel.brokers import registry
from umbel.brokers.base import BrokerOptions
from umbel.errors import ImproperlyConfigured
from umbel.runtime import plugins


def connect(*urls):
    return registry.connect(BrokerOptions(urls=urls))


def test_a_scheme_finds_its_broker():
    assert connect("memory://").public_url() == "memory://"
    assert connect("sqlite:////tmp/x.db").public_url() == "sqlite:////tmp/x.db"


def test_every_built_in_scheme_is_also_an_entry_point():
    from importlib.metadata import entry_points

    assert {point.name: point.value for point in entry_points(group=registry.GROUP)}.items() >= registry.BUILT_IN.items()


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        ((), "broker_url is empty"),
        (("reddis://localhost",), "did you mean redis://"),
        (("qwertz://localhost",), "known are amqp"),
        (("localhost:6379",), "not a broker URL"),
        (("redis://localhost", "amqp://localhost"), "several kinds"),
        (("sqlite:///a.db", "sqlite:///b.db"), "several SQLite files"),
        (("sqlite://a.db",), "three slashes"),
        (("sqlite:///:memory:",), "memory://"),
        (("sqlite:///a.db?synchronous=OFF",), "expected NORMAL or FULL"),
        (("sqlite:///a.db?sync=FULL",), "unknown option 'sync'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(urls, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        connect(*urls)


def test_variants_of_one_kind_may_be_mixed():
    assert registry.BUILT_IN["amqp"] == registry.BUILT_IN["amqps"] == registry.BUILT_IN["pyamqp"]


def test_a_missing_library_names_its_extra(monkeypatch):
    error = ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy")
    monkeypatch.setattr(plugins, "import_module", lambda _name: (_ for _ in ()).throw(error))
    with pytest.raises(ImproperlyConfigured, match=r'pip install "umbel\[sql\]"'):
        plugins.load("brokers_of_ours:connect", "redis://")


def test_a_file_is_where_the_url_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert connect("sqlite://").path == str(tmp_path / "umbel.db")
    assert connect("sqlite").path == str(tmp_path / "umbel.db")
    assert connect("sqlite:///sub/x.db").path == str(tmp_path / "sub/x.db")
    assert connect("sqlite:////abs/x%20y.db").path == "/abs/x y.db"
    assert list(tmp_path.iterdir()) == []
