"""Chords whose header is a generator: members are sent while it is read."""

from __future__ import annotations

import pytest

from umbel import Umbel, chord

pytestmark = pytest.mark.redis


def test_the_first_members_are_sent_before_the_last_is_made(redis_store_url):
    app = Umbel("streamed", broker="memory://", backend=redis_store_url, set_as_current=False, result_expires=60)

    @app.task(name="member")
    def member(number):
        return number

    sent = []
    app.workflows.send, publish = (lambda calls: sent.extend(call.args[0] for call in calls) or publish(calls)), app.workflows.send
    seen = []

    def members():
        for number in range(4):
            seen.append(list(sent))
            yield member.s(number)

    result = chord(members(), member.s())()
    assert seen == [[], [], [0], [0, 1]]
    assert sent == [0, 1, 2, 3]
    assert len(result.parent) == 4
    app.close()
