"""Chords whose header is a generator: members are sent while it is read, if that takes its time."""

from __future__ import annotations

import pytest

from umbel import Umbel, chord
from umbel.app.workflows import streaming

pytestmark = pytest.mark.redis


@pytest.fixture
def app(redis_store_url):
    with Umbel("streamed", broker="memory://", backend=redis_store_url, set_as_current=False, result_expires=60) as app:

        @app.task(name="member")
        def member(number):
            return number

        app.sent = []
        publish = app.workflows.send
        app.workflows.send = lambda calls: app.sent.extend(call.args[0] for call in calls) or publish(calls)
        yield app


def members(app, seen, fails_at=None):
    for number in range(4):
        seen.append(list(app.sent))
        if number == fails_at:
            raise ValueError("no")
        yield app.tasks["member"].s(number)


@pytest.mark.parametrize(("slow", "expected"), [(0.0, [[], [], [0], [0, 1]]), (3600.0, [[], [], [], []])])
def test_of_one_that_is_slow_the_first_are_sent_before_the_last_is_made(app, monkeypatch, slow, expected):
    monkeypatch.setattr(streaming, "_SLOW", slow)
    seen = []
    result = chord(members(app, seen), app.tasks["member"].s())()
    assert seen == expected
    assert app.sent == [0, 1, 2, 3]
    assert len(result.parent) == 4


@pytest.mark.parametrize(("slow", "sent"), [(0.0, [0]), (3600.0, [])])
def test_of_one_that_fails_at_once_nothing_is_sent(app, monkeypatch, slow, sent):
    monkeypatch.setattr(streaming, "_SLOW", slow)
    with pytest.raises(ValueError, match="no"):
        chord(members(app, [], fails_at=2), app.tasks["member"].s())()
    assert app.sent == sent
