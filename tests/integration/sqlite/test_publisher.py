"""Publishing to a file that goes."""

from __future__ import annotations

from umbel import Umbel


def test_what_was_declared_is_declared_again_in_a_new_file(tmp_path):
    """A plain call names no queue: the plan of such calls was made once, and its queue declared."""
    path = tmp_path / "umbel.db"
    with Umbel("x", broker=f"sqlite:///{path}", set_as_current=False) as app:
        job = app.task(name="job")(print)
        job.delay()
        job.delay()
        for number in range(2):
            for file in tmp_path.glob("umbel.db*"):
                file.unlink()
            for _ in range(number + 1):
                job.delay()
            client = app.broker.queue_client()
            assert client.length("celery") == number + 1
            client.close()
