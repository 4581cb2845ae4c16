"""The examples of Flask and FastAPI, as their READMEs say: real HTTP servers and workers, in a folder of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.servers import answers, free_port
from system.processes import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent


@contextlib.contextmanager
def running(folder: Path, *commands: list[str]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            process = stack.enter_context(
                subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "FLASK_UPLOADS": str(folder)})
            )
            stack.callback(process.kill)
        yield


def ask(port: int, method: str, path: str, body: bytes | dict | None = None, token: str = "") -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **({"Content-Type": "application/json"} if isinstance(body, dict) else {}),
    }
    connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers)
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    return status, json.loads(text)


@pytest.mark.slow
def test_uploads_on_flask(tmp_path):
    shutil.copy(EXAMPLES / "flask_uploads" / "uploads.py", tmp_path)
    port = free_port()
    flask = [str(BIN / "flask"), "--app", "uploads"]
    with running(tmp_path, [*flask, "run", "-p", str(port)], [*flask, "umbel", "worker", "-c", "1"]):
        eventually(lambda: answers(port), 60, "the web server")
        status, sent = ask(port, "POST", "/uploads/a.bin", b"x" * 300_000)
        assert status == 202
        eventually(lambda: ask(port, "GET", f"/tasks/{sent['task']}")[1]["state"] == "SUCCESS", 60, "the result")
        assert ask(port, "GET", f"/tasks/{sent['task']}")[1]["result"] == {"name": "a.bin", "bytes": 300_000}


@pytest.mark.slow
def test_reports_on_fastapi(tmp_path):
    shutil.copy(EXAMPLES / "fastapi_reports" / "reports.py", tmp_path)
    port = free_port()
    serve = [sys.executable, "-m", "uvicorn", "reports:app", "--port", str(port), "--log-level", "warning"]
    with running(tmp_path, serve, [sys.executable, "-m", "umbel", "-A", "reports:queue", "worker", "-c", "1"]):
        eventually(lambda: answers(port), 60, "the web server")
        assert ask(port, "POST", "/reports", {"title": "x", "pages": 0})[0] == 422
        status, sent = ask(port, "POST", "/reports", {"title": "October", "pages": 60})
        assert status == 202
        events = follow(port, f"/reports/{sent['task']}/events")
        assert [kind for _, kind, _ in events][-1] == "end"
        assert events[-1][2]["result"] == {"number": 1, "title": "October"}
        seen = [data["progress"]["current"] for _, kind, data in events if kind == "progress" and "progress" in data]
        assert seen == sorted(seen)
        assert ask(port, "GET", "/reports")[1] == [{"number": 1, "title": "October"}]
        over_http(port)


def follow(port: int, path: str) -> list[tuple[float, str, dict]]:
    """Read a stream of events to its end: when each came, its kind, its data."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events, kind = [], ""
    for line in answer:
        name, _, value = line.decode().strip().partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            events.append((time.monotonic(), kind, json.loads(value)))
    connection.close()
    return events


def over_http(port: int) -> None:
    """As a program in another language does it."""
    token, call = "only-for-the-example", {"args": [{"title": "by HTTP", "pages": 1}]}
    assert ask(port, "POST", "/tasks/reports.write_report", call)[0] == 401
    status, sent = ask(port, "POST", "/tasks/reports.write_report", call, token)
    assert status == 202
    _, found = ask(port, "GET", f"/tasks/{sent['id']}?wait=30", token=token)
    assert (found["state"], found["result"]) == ("SUCCESS", {"number": 2, "title": "by HTTP"})
    paths = ask(port, "GET", "/openapi.json")[1]["paths"]
    assert {"/tasks/{name}", "/tasks/{task_id}", "/tasks/{task_id}/events"} <= paths.keys()


def test_a_page_that_goes_away_ends_the_stream():
    """On a real server, which learns of it by the connection."""
    import threading

    import uvicorn
    from fastapi import FastAPI

    from umbel import Umbel
    from umbel.contrib.fastapi import progress_stream

    program, ended = FastAPI(), threading.Event()
    queue = Umbel("stream", broker="memory://", backend="cache+memory://", set_as_current=False)

    @program.get("/events")
    async def events():
        stream = progress_stream(queue.AsyncResult("never"), interval=0.05)
        stream.body_iterator = watched(stream.body_iterator, ended)
        return stream

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(program, port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: answers(port), 30, "the web server")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.readline() == b"event: progress\n"
        answer.close(), connection.close()
        assert ended.wait(30)
    finally:
        server.should_exit = True
        thread.join(30)
        queue.close()


async def watched(iterator, ended):
    try:
        async for event in iterator:
            yield event
    finally:
        ended.set()
