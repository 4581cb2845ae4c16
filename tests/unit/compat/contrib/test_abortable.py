import pytest

from umbel import Umbel
from umbel.compat.contrib.abortable import ABORTED, AbortableTask


@pytest.fixture
def app():
    with Umbel("proj", broker="memory:///abortable", backend="memory:///abortable", set_as_current=False) as app:
        yield app


def test_a_task_looks_whether_it_is_to_end(app):
    @app.task(base=AbortableTask, bind=True)
    def count(self):
        result = self.AsyncResult(self.request.id)
        before = self.is_aborted()
        result.abort()
        return [before, self.is_aborted(), result.state]

    assert count.apply(task_id="1").get() == [False, True, ABORTED]
    assert not count.is_aborted()
    assert not count.AsyncResult("2").is_aborted()
    assert count.is_aborted(task_id="1")
