import pytest

from umbel.compat import parts
from umbel.compat.app import Celery
from umbel.errors import ImproperlyConfigured


def test_single_names():
    app = Celery("proj", broker="memory://", set_as_current=False)
    assert "software -> celery:" in parts.bugreport(app)
    request = parts.Context({"id": "1"}, group="g")
    assert (request.id, request.group, request.retries) == ("1", "g", 0)
    with pytest.raises(ValueError, match="x"):
        parts.reraise(ValueError, ValueError("x"))
    error = parts.CeleryCommandException("no", exit_code=3)
    assert (str(error), error.exit_code) == ("no", 3)
    assert parts.DEFAULTS["task_default_queue"] == "celery"
    assert parts.by_url("redis://")[1] == "redis://"
    assert parts.by_name("redis") is parts.by_url()[0]
    assert parts.get_loader_cls("default") is parts.Loader
    assert "prefork" in parts.get_available_pool_names()
    assert parts.get_implementation("solo")
    with pytest.raises(ImproperlyConfigured, match="there is no pool 'nonsense'"):
        parts.get_implementation("nonsense")
    assert parts.find_app("umbel.cli.demo.tasks").main == "demo"
    parts.enable_trace()
