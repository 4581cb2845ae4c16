"""A program ends: while its broker is silent; and without waiting for anything."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from chaos import process_ends
from umbel import Umbel

from .broken_line import Line

PROGRAM = """
    import sys
    from umbel import Umbel

    url, queue = sys.argv[1:]
    app = Umbel("x", broker=url, broker_publish_timeout=3.0, broker_connection_timeout=1.0, task_default_queue=queue)

    @app.task
    def job():
        pass

    app.publisher.declare(app.queues[queue])
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(3):
        job.delay()
    print("end", flush=True)
"""


@pytest.mark.parametrize("broker", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("rabbitmq", "redis")])
def test_what_is_unconfirmed_is_waited_for_once_and_told_in_one_line(request, unique, broker):
    url = request.getfixturevalue(f"{broker}_url")
    queue = unique("exit")
    with Line.to(url) as line:
        program = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), line.url, queue],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with program:
            assert program.stdout.readline() == "ready\n"
            line.deaf = True
            program.stdin.write("\n")
            program.stdin.flush()
            assert program.stdout.readline() == "end\n"
            started = time.monotonic()
            errors = program.communicate(timeout=60)[1]
            took = time.monotonic() - started
    with Umbel("x", broker=url, set_as_current=False) as app:
        client = app.broker.queue_client()
        client.delete(queue)
        client.close()
    assert errors.count("messages may be lost at exit") == 1
    assert "Traceback" not in errors
    assert took < 5.5, "twice the timeout, which is 3 s"


@pytest.mark.parametrize("way", ["app dropped", "os._exit", "exec", "SIGTERM", "Process", "Pool"])
@pytest.mark.parametrize("broker", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("rabbitmq", "redis")])
def test_whoever_ends_has_sent_what_was_accepted(request, broker, way):
    returned, found = process_ends.play(request.getfixturevalue(f"{broker}_url"), way, 8, 60)
    assert (returned, found) == (480, 480)
