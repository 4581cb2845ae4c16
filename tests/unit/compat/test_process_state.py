import pytest

from umbel import Umbel, current
from umbel.compat import process_state


@pytest.fixture(autouse=True)
def apps():
    before, default = current.app.get(), current.default_app()
    yield
    current.app.set(before)
    current.set_default_app(default)


def test_apps():
    app, other = (Umbel(name, broker="memory://", set_as_current=False) for name in "ab")
    process_state.set_default_app(app)
    assert process_state.default_app is app
    process_state._tls.current_app = other
    assert process_state.get_current_app() is process_state._tls.current_app is other
    assert process_state.app_or_default() is other
    assert process_state.app_or_default(app) is app
    assert process_state.get_current_task() is None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = process_state.nonsense
