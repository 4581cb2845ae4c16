import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.execution import retrying
from umbel.testing.fakes import FakeApp


@pytest.mark.parametrize(("retries", "most", "may"), [(0, 3, True), (2, 3, True), (3, 3, False), (0, 0, False), (10**6, None, True)])
def test_may_retry(retries, most, may):
    assert retrying.may_retry(retries, most) is may


@pytest.mark.parametrize(("retries", "delay"), [(0, 1), (1, 2), (5, 32), (20, 600), (5000, 600)])
def test_backoff_doubles_up_to_a_limit(retries, delay):
    assert retrying.backoff(retries, 1, 600, jitter=False) == delay


@given(st.integers(0, 10_000), st.floats(0.001, 100), st.floats(0, 10_000), st.floats(0, 1))
def test_jitter_never_makes_it_longer(retries, factor, maximum, share):
    whole = retrying.backoff(retries, factor, maximum, jitter=False)
    assert 0 <= retrying.backoff(retries, factor, maximum, jitter=True, share=share) <= whole <= maximum
    assert 0 <= retrying.backoff(retries, factor, maximum, jitter=True) <= maximum


@pytest.mark.parametrize(("parent", "told"), [("before", "before"), (None, "own")])
def test_the_next_attempt_has_the_parent_of_this_one(parent, told):
    """As in Celery (5.7); its own id where it has none."""
    app = FakeApp()

    @app.task(bind=True, name="proj.again")
    def again(self):
        raise self.retry(countdown=0)

    app.send_task("proj.again", task_id="own", parent_id=parent)
    (message, _), *_ = app.run().publications
    assert message.headers["parent_id"] == told


def test_giving_up_names_the_call():
    app = FakeApp()

    @app.task(bind=True, name="proj.again", max_retries=0)
    def again(self, *args):
        raise self.retry(countdown=0)

    app.send_task("proj.again", args=("x",), task_id="own")
    assert app.run().records[0].result["exc_message"] == ["Can't retry proj.again[own] args:('x',) kwargs:{}"]
