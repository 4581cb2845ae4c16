"""Signals that a project makes for itself."""

import pytest

from umbel.compat.legacy.dispatch import Signal


@pytest.mark.parametrize("made", [Signal(), Signal(["order"]), Signal(name="paid", providing_args={"order"})])
def test_made_as_in_celery(made):
    heard = []

    @made.connect
    def listen(sender, order, **_):
        heard.append((sender, order))

    made.send("shop", order=7)
    assert heard == [("shop", 7)]
