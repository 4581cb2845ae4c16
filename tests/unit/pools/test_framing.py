from datetime import UTC, datetime

import pytest

from umbel.pools import framing

JOB = (7, {"task": "t", "id": "i", "timelimit": [None, None]}, b"body", "application/json", "utf-8", {"priority": 0}, "", "celery", False)


def test_frames_survive_any_split():
    data = framing.render(framing.JOBS, [JOB]) + framing.render(framing.QUIT, None)
    for cut in range(len(data) + 1):
        buffer = framing.FrameBuffer()
        frames = [*buffer.feed(data[:cut]), *buffer.feed(data[cut:])]
        assert frames == [(framing.JOBS, [JOB]), (framing.QUIT, None)]


def test_what_marshal_cannot_write_goes_as_pickle():
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    [(kind, payload)] = framing.FrameBuffer().feed(framing.render(framing.JOBS, [{"at": moment}]))
    assert kind == framing.JOBS
    assert payload == [{"at": moment}]


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_sizes(size):
    [(_, payload)] = framing.FrameBuffer().feed(framing.render(framing.OUTCOMES, b"x" * size))
    assert len(payload) == size
