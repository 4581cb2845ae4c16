"""The dashboard before a real worker: its pages, its actions, its safety."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from system.processes import TESTS, eventually, open_gate
from system.stage import Place, Stage
from umbel.dashboard.application import make
from umbel.dashboard.options import DashboardOptions
from umbel.dashboard.security.people import Person, Role
from umbel.dashboard.security.sessions import ATTEMPTS

PAGES = [
    "/",
    "/tasks",
    "/queues",
    "/workers",
    "/schedules",
    "/scheduled",
    "/dead",
    "/health",
    "/settings",
    "/settings?all=1",
    "/audit",
    "/send",
]
#: What must never be in a page as it is.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{7*7}}",
    "</pre><svg onload=alert(1)>",
    "\u202egnp.exe",
]
PEOPLE = {name: Person(name, role, "horse") for name, role in (("vera", Role.VIEWER), ("otto", Role.OPERATOR), ("ada", Role.ADMIN))}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('dashboard')}/umbel.db"
    stage = Stage(Place(name="sqlite", broker=url, backend=url, lease=5.0), "dashboard")
    stage.settings.update(task_send_sent_event=True, result_extended=True, worker_enable_remote_control=True)
    stage.worker("-c", "2", "-E", "-n", "one@dashboard")
    yield stage
    stage.close()


@contextlib.contextmanager
def opened(stage, **options):
    made = make(stage.app, DashboardOptions(**options))
    with TestClient(made, base_url="http://localhost", follow_redirects=False) as client:
        client.desk = made.state.desk
        yield client


@pytest.fixture(scope="module")
def client(stage):
    with opened(stage) as client:
        desk = client.desk
        eventually(lambda: desk.monitor.listening.is_listening.is_set() and desk.monitor.workers() and desk.monitor.asking.stats, 60.0)
        yield client


def token_of(client, path="/tasks", **headers):
    found = re.search(r'name="token" value="([0-9a-f]+)"', client.get(path, headers=headers).text)
    assert found is not None
    return found[1]


def act(client, path, **fields):
    """Do it as a form does; returns the words that the next page shows."""
    answer = client.post(path, data={"token": token_of(client, "/send"), "next": "/audit", **fields})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/audit"
    notes = re.findall(r'class="banner (good|bad)" role="status".*?<div>(.*?)</div>', client.get("/audit").text, re.DOTALL)
    return [(kind, html.unescape(text)) for kind, text in notes][-1]


def run_of(client, task_id, *states):
    """Wait until the dashboard knows that a task has come so far."""
    history = client.desk.monitor.history
    return eventually(lambda: (run := history.run(task_id)) and run["state"] in states and run, 60.0, f"{task_id} in {states}")


# looking


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown_with_safe_headers(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    (nonce,) = set(re.findall(r"nonce-([\w-]+)", policy))
    for tag in re.findall(r"<(?:script|link rel=\"stylesheet\")[^>]*>", answer.text):
        assert f'nonce="{nonce}"' in tag
    assert not re.findall(r"\son\w+=|\sstyle=|javascript:", answer.text)
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


def test_assets_come_with_the_package_and_from_nowhere_else(client):
    page = client.get("/").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert client.get(path).status_code == 200, path
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


@pytest.mark.parametrize(
    "path", ["/static/../options.py", "/static/%2e%2e/options.py", "/static//etc/passwd", "/static/vendor/", "/static/nothing.js"]
)
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_a_task_that_succeeds_and_one_that_fails(stage, client):
    good, bad = stage.send("add", 30, 42), stage.send("fail", "value")
    run_of(client, good.id, "SUCCESS")
    run_of(client, bad.id, "FAILURE")
    page = client.get(f"/tasks/{good.id}").text
    assert "Succeeded" in page
    assert "72" in page
    assert "[30, 42]" in page
    page = client.get(f"/tasks/{bad.id}").text
    assert "Traceback (most recent call last)" in page
    assert bad.id in client.get("/").text  # the failure is on the first page: its traceback is one click away
    assert bad.id in client.get("/tasks?q=state:failure").text
    assert good.id not in client.get("/tasks?q=state:failure").text


def test_attempts_are_a_timeline(stage, client):
    result = stage.send("retry_until", 2)
    run_of(client, result.id, "SUCCESS")
    assert eventually(lambda: client.get(f"/tasks/{result.id}").text.count("<b>Retrying</b>") == 2, 30.0)


def test_what_no_event_has_told_is_read_from_the_result_store(stage, client):
    result = stage.send("add", 20, 22)
    run_of(client, result.id, "SUCCESS")
    monitor = client.desk.monitor
    with monitor.database.writing() as connection:  # as if the events had been lost
        connection.execute("UPDATE runs SET state = 'STARTED', result = NULL, ended = NULL, changed = 1 WHERE id = ?", (result.id,))
    monitor.state.tasks.pop(result.id)
    monitor.reconcile()
    found = monitor.history.run(result.id)
    assert (found["state"], found["result"]) == ("SUCCESS", "42")
    assert found["ended"]


def test_progress_is_shown_while_it_runs(stage, client):
    gate = stage.gate()
    result = stage.send("progress", 4, gate)
    page = eventually(lambda: (page := client.get(f"/tasks/{result.id}").text) and "<dt>Progress</dt>" in page and page, 60.0)
    assert " %</b>" in page
    open_gate(gate)
    run_of(client, result.id, "SUCCESS")


def test_workers_and_queues(stage, client):
    assert "one@dashboard" in client.get("/workers").text
    page = client.get("/workers/one@dashboard").text
    assert "Online" in page
    assert "add" in page
    assert stage.queue in client.get("/queues").text
    eventually(lambda: "one@dashboard" in client.get(f"/queues/{stage.queue}").text, 60.0)


def test_a_workflow_is_a_graph(stage, client):
    add = stage.app.tasks["add"]
    result = (add.s(1, 2) | add.s(3)).delay()
    run_of(client, result.id, "SUCCESS")
    page = client.get(f"/workflows/{result.id}").text
    assert page.count('class="box') >= 1
    assert "<svg" in page


@pytest.mark.parametrize("path", ["/tasks/unknown", "/queues/unknown", "/workers/unknown", "/schedules/unknown", "/nothing"])
def test_what_is_not_there(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Not here" in answer.text


@pytest.mark.parametrize("query", ["q=" + "x" * 1000, "before=nonsense", "state=%00", "q=since:never", "q=%22%27%28", "before=1e999-5"])
def test_searches_that_make_no_sense_are_no_errors(client, query):
    assert client.get(f"/tasks?{query}").status_code == 200


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_not_run(stage, client, text):
    result = stage.send("fail", "value", text)
    other = stage.app.send_task("echo", args=(text,), kwargs={"x": text})
    run_of(client, result.id, "FAILURE")
    run_of(client, other.id, "SUCCESS")
    monitor = client.desk.monitor
    with monitor.database.writing() as connection:  # names come from messages, too
        connection.execute("UPDATE runs SET name = ?, worker = ?, queue = ? WHERE id = ?", (text, text, text, other.id))
    for path in ("/", "/tasks", f"/tasks/{result.id}", f"/tasks/{other.id}", f"/tasks?q={text}", f"/tasks?name={text}", f"/workers/{text}"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<svg onload" not in page
        assert "\u202e" not in re.sub(r'="[^"]*"', "", page)
        assert ">49<" not in page
    with monitor.database.writing() as connection:
        connection.execute("DELETE FROM runs WHERE id = ?", (other.id,))


# acting


def test_retrying_a_task(stage, client):
    bad = stage.send("fail", "value")
    run_of(client, bad.id, "FAILURE")
    kind, text = act(client, f"/tasks/{bad.id}/retry")
    assert kind == "good"
    again = re.search(r"as (\S+)", text)[1]
    assert run_of(client, again, "FAILURE")["args"] == client.desk.monitor.history.run(bad.id)["args"]


def test_revoking_a_task(stage, client):
    result = stage.send("add", 1, 2, countdown=600)
    run_of(client, result.id, "PENDING", "RECEIVED")
    assert result.id in eventually(lambda: (page := client.get("/scheduled").text) and result.id in page and page, 30.0)
    assert act(client, f"/tasks/{result.id}/revoke")[0] == "good"
    client.desk.monitor.app.control.purge([stage.queue])


def test_sending_a_task(client):
    kind, text = act(client, "/send", name="add", args="[1, 2]", kwargs="")
    assert kind == "good"
    run_of(client, re.search(r"as (\S+)", text)[1].rstrip("."), "SUCCESS")
    for fields, named in (
        ({"name": "ad", "args": ""}, "no task"),
        ({"name": "add", "args": "1,2"}, "JSON"),
        ({"name": "add", "args": "[1]"}, "missing"),
    ):
        kind, text = act(client, "/send", **fields)
        assert (kind, named in text) == ("bad", True), text


def test_pausing_and_purging_a_queue(stage, client):
    assert act(client, f"/queues/{stage.queue}/pause")[0] == "good"
    assert "Paused" in eventually(lambda: (page := client.get("/queues").text) and "Paused" in page and page, 30.0)
    stage.send("add", 1, 2)
    assert act(client, f"/queues/{stage.queue}/purge", typed="something else") == ("bad", f"To do this, type the name '{stage.queue}'")
    assert stage.length() == 1
    assert act(client, f"/queues/{stage.queue}/purge", typed=stage.queue)[0] == "good"
    assert stage.length() == 0
    assert act(client, f"/queues/{stage.queue}/resume")[0] == "good"


def test_a_worker_is_told(client):
    assert act(client, "/workers/one@dashboard/grow", n="1")[0] == "good"
    assert act(client, "/workers/one@dashboard/shrink", n="1")[0] == "good"
    assert act(client, "/workers/one@dashboard/rate", task="add", rate="100/s")[0] == "good"
    assert act(client, "/workers/one@dashboard/time", task="add", soft="100", hard="")[0] == "good"
    assert act(client, "/workers/one@dashboard/rate", task="add", rate="fast")[0] == "bad"
    assert act(client, "/workers/one@dashboard/grow", n="many") == ("bad", "n: expected a number, got 'many'")
    assert act(client, "/workers/one@dashboard/shutdown", typed="")[0] == "bad"


def test_a_schedule_from_beginning_to_end(client):
    form = {"name": "nightly", "task": "add", "kind": "cron", "when": "30 3 * * *", "args": "[1, 2]"}
    assert act(client, "/schedules/add", **form)[0] == "good"
    assert act(client, "/schedules/add", **form)[0] == "bad"
    assert act(client, "/schedules/add", **{**form, "name": "x", "when": "99 * * * *"})[0] == "bad"
    assert "nightly" in client.get("/schedules").text
    assert act(client, "/schedules/nightly/edit", **{**form, "kind": "every", "when": "2h", "description": "Sums"})[0] == "good"
    page = client.get("/schedules/nightly").text
    assert 'value="7200s"' in page
    assert "Sums" in page
    assert act(client, "/schedules/nightly/pause")[0] == "good"
    assert act(client, "/schedules/nightly/resume")[0] == "good"
    kind, text = act(client, "/schedules/nightly/run")
    assert kind == "good"
    run_of(client, re.search(r"as (\S+)", text)[1], "SUCCESS")
    assert "By hand" in client.get("/schedules/nightly").text or "by hand" in client.get("/schedules/nightly").text
    assert act(client, "/schedules/nightly/remove", typed="nightly")[0] == "good"
    assert client.get("/schedules/nightly").status_code == 404


def test_dead_letters(stage, client):
    sent = stage.app.send_task("nobody.knows.it", args=(1,))
    page = eventually(lambda: (page := client.get("/dead").text) and sent.id in page and page, 60.0)
    assert "nobody.knows.it" in page
    assert act(client, f"/dead/{stage.queue}/drop", id=sent.id, typed="no")[0] == "bad"
    assert act(client, f"/dead/{stage.queue}/replay", id="other")[0] == "bad"
    assert act(client, f"/dead/{stage.queue}/replay", id=sent.id)[0] == "good"  # and it dies again
    eventually(lambda: stage.length(f"{stage.queue}.dead") == 1, 60.0)
    assert act(client, f"/dead/{stage.queue}/drop", all="1", typed=stage.queue)[0] == "good"
    assert stage.length(f"{stage.queue}.dead") == 0


def test_a_page_that_looks_again_by_itself_leaves_the_note_for_the_next_one(client):
    client.post("/queues/celery/resume", data={"token": token_of(client, "/send"), "next": "/audit"})
    assert "data-note" not in client.get("/audit", headers={"x-umbel-live": "1"}).text
    assert "data-note" in client.get("/audit").text


def test_secrets_stay_hidden(stage, client):
    client.post("/api/v1/send", json={"name": "echo", "args": [], "kwargs": {"api_password": "hunter2", "n": 5}})
    sent = (
        client.post("/api/v1/send", json={"name": "echo", "kwargs": {"api_password": "hunter2"}, "countdown": "600"})
        .json()["ok"]
        .split()[-1]
    )
    dead = stage.app.send_task("nobody.knows", kwargs={"api_password": "hunter2"})
    task = re.search(r"as (\S+)", act(client, "/send", name="nap", args="[1]", kwargs="{}")[1])[1]
    run_of(client, task, "SUCCESS")
    eventually(lambda: dead.id in client.get("/dead").text, 60.0)
    for path in ("/audit", "/dead", f"/api/v1/dead/{stage.queue}", "/tasks", "/scheduled", f"/tasks/{sent}", f"/api/v1/tasks/{sent}",
                 "/api/v1/tasks", "/api/tasks", "/api/v1/workers/one@dashboard", "/api/workers", "/workers/one@dashboard"):  # fmt: skip
        found = client.get(path)
        assert found.status_code == 200
        text = re.sub(r'"result":.*?(?=,")', "", found.text)  # what a task returns is its own affair
        assert "hunter2" not in re.sub(r"<dt>Result</dt>.*?</dd>", "", text, flags=re.DOTALL), path
    assert act(client, f"/dead/{stage.queue}/drop", all="1", typed=stage.queue)[0] == "good"
    act(client, f"/tasks/{sent}/revoke")


def test_what_was_done_is_kept(client):
    act(client, "/queues/celery/resume")
    page = client.get("/audit").text
    assert "Resume queue" in page
    assert "anybody" in page


# programs


def test_the_interface_tells_what_the_pages_show(stage, client):
    bad = stage.send("fail", "value", "for a program")
    run_of(client, bad.id, "FAILURE")
    read = lambda path: client.get(f"/api/v1{path}").json()
    assert read("/workers")[0]["name"] == "one@dashboard"
    eventually(lambda: read("/workers/one@dashboard").get("stats", {}).get("pool", {}).get("max-concurrency", 0) >= 1, 60.0)
    assert stage.queue in {queue["queue"] for queue in read("/queues")}
    assert bad.id in {task["id"] for task in read("/tasks?state=FAILURE&limit=1000")["tasks"]}
    assert "for a program" in read(f"/tasks/{bad.id}")["traceback"]
    assert read("/overview")["alive"] == 1
    eventually(lambda: read("/autoscale")["capacity"] >= 1 and read(f"/autoscale?queue={stage.queue}")["workers"] == 1, 60.0)
    assert len(read("/series?span=24h")["slots"]) == 1440
    for path in ("/schedules", "/scheduled", f"/dead/{stage.queue}", "/audit"):
        assert isinstance(read(path), list), path
    assert set(read("/openapi.json")["paths"]) >= {"/api/v1/tasks", "/api/v1/queues/{queue}/purge"}
    first = read("/tasks?limit=2")
    assert {task["id"] for task in first["tasks"]}.isdisjoint(
        task["id"] for task in read(f"/tasks?limit=2&before={first['before']}")["tasks"]
    )


@pytest.mark.parametrize("path", ["/tasks/none", "/workers/none", "/schedules/none", "/nothing"])
def test_the_interface_says_what_is_not_there(client, path):
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "limit=99999", "q=since:never"])
def test_the_interface_refuses_what_makes_no_sense(client, query):
    assert client.get(f"/api/v1/tasks?{query}").status_code == 400


def test_programs_act(stage, client):
    queue = stage.queue
    assert client.post(f"/api/v1/queues/{queue}/pause").json()["ok"].startswith("Paused")
    assert client.post(f"/api/v1/queues/{queue}/resume", json={}).status_code == 200
    assert client.post(f"/api/v1/queues/{queue}/purge", json={}).status_code == 400
    assert client.post(f"/api/v1/queues/{queue}/purge", json={"typed": queue}).status_code == 200
    sent = client.post("/api/v1/send", json={"name": "add", "args": [1, 2]}).json()["ok"]
    assert sent.startswith("Sent add as ")
    assert client.post("/api/v1/send", content=b"[1]").status_code == 400
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none"}):
        assert client.post(f"/api/v1/queues/{queue}/pause", headers=headers).status_code == 403


def test_every_described_path_answers_without_a_fault(client):
    """Each operation of the description, with names that are not there, and bodies that make no sense: never a 500."""
    described = client.get("/api/v1/openapi.json").json()["paths"]
    assert len(described) > 35
    for path, operations in described.items():
        for name in ("ünï%00", "a b"):
            filled = re.sub(r"{\w+}", name, path)
            if "get" in operations:
                assert client.get(filled).status_code in {200, 400, 404}, filled
        if "post" in operations and not filled.startswith("/api/v1/workers/"):  # who waits for workers that are not there
            for body in ({}, {"n": "x", "id": [1, None], "typed": [], "args": {}, "when": 5}):
                assert client.post(filled, json=body).status_code in {200, 400, 404}, filled


def test_flowers_paths(stage, client):
    """As `tests/interop/test_flower.py` asks Flower itself."""
    get, post = (lambda path, **query: client.get(f"/api{path}", params=query).json()), client.post
    described = eventually(
        lambda: (found := get("/workers", workername="one@dashboard")["one@dashboard"]) and "conf" in found and found, 60.0
    )
    assert {"stats", "active_queues", "registered", "active", "reserved", "scheduled", "revoked", "conf", "timestamp"} <= set(described)
    assert get("/workers", status="1") == {"one@dashboard": True}
    sent = post("/api/task/async-apply/add", json={"args": [2, 3]}).json()["task-id"]
    run_of(client, sent, "SUCCESS")
    info = get(f"/task/info/{sent}")
    assert (info["uuid"], info["result"], info["state"], info["worker"], info["retries"]) == (sent, "5", "SUCCESS", "one@dashboard", 0)
    assert info["succeeded"]
    assert get(f"/task/result/{sent}") == {"task-id": sent, "state": "SUCCESS", "result": 5}
    assert post("/api/task/apply/add", json={"args": [4, 5]}).json()["result"] == 9
    by_name = post("/api/task/send-task/echo", json={"args": [1], "kwargs": {"x": "é"}}).json()["task-id"]
    assert get(f"/task/result/{by_name}", timeout="30")["result"] == {"args": [1], "kwargs": {"x": "é"}}
    assert sent in get("/tasks", taskname="add", state="SUCCESS", workername="one@dashboard")
    assert "add" in get("/task/types")["task-types"]
    assert {"name": stage.queue, "messages": 0} in eventually(lambda: get("/queues/length")["active_queues"], 30.0)
    assert post(f"/api/task/revoke/{sent}").json() == {"message": f"Revoked '{sent}'"}
    node = {"workername": "one@dashboard"}
    assert post("/api/task/rate-limit/mark", params={**node, "ratelimit": "100/s"}).json() == {"message": "new rate limit set successfully"}
    assert post("/api/task/timeout/mark", params={**node, "soft": "5", "hard": "10"}).json() == {"message": "time limits set successfully"}
    assert post("/api/worker/pool/grow/one@dashboard", params={"n": 1}).status_code == 200
    assert post("/api/worker/pool/shrink/one@dashboard", params={"n": 1}).status_code == 200
    assert post("/api/worker/pool/autoscale/one@dashboard", params={"min": 1, "max": 3}).status_code in {200, 403}
    extra = f"{stage.queue}-extra"
    assert post("/api/worker/queue/add-consumer/one@dashboard", params={"queue": extra}).status_code == 200
    gone = post("/api/worker/queue/cancel-consumer/one@dashboard", params={"queue": extra}).json()
    assert gone == {"message": f"no longer consuming from {extra}"}
    assert client.get("/api/task/info/none").status_code == 404
    with contextlib.closing(stage.broker.queue_client()) as queues:
        queues.delete(extra)


def test_metrics(client):
    text = client.get("/metrics").text
    assert 'flower_worker_online{worker="one@dashboard"} 1.0' in text
    assert re.search(r'^flower_events_total\{task="add",type="task-succeeded",worker="one@dashboard"\} [1-9]', text, re.MULTILINE)
    assert re.search(r'^flower_task_runtime_seconds_count\{task="add",worker="one@dashboard"\} [1-9]', text, re.MULTILINE)
    assert re.search(r'^umbel_fleet_queue_ready\{queue="[^"]+"\} ', text, re.MULTILINE)
    names = [family.name for family in text_string_to_metric_families(text)]
    assert len(names) == len(set(names)) > 10


# safety


def test_a_name_that_was_made_to_lead_here_is_refused(client):
    assert client.get("/", headers={"host": "evil.example:5555"}).status_code == 421


@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "same-site"}], ids=str
)
def test_what_another_site_sends_is_refused(stage, client, headers):
    fields = {"token": token_of(client, "/send")} if headers else {}
    answer = client.post(f"/queues/{stage.queue}/pause", data=fields, headers=headers)
    assert answer.status_code == 403
    assert not client.desk.monitor.app.control.paused_queues([stage.queue])


def test_the_token_of_somebody_else_is_worth_nothing(client):
    other = TestClient(client.app, base_url="http://localhost")
    assert client.post("/queues/x/pause", data={"token": token_of(other, "/send")}).status_code == 403


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nset-cookie: x=1"]
)
def test_an_action_leads_to_a_page_of_ours(client, target):
    answer = client.post("/queues/x/resume", data={"token": token_of(client, "/send"), "next": target})
    assert answer.headers["location"] == "/"
    assert "x=1" not in answer.headers.get("set-cookie", "")


def test_a_body_is_bounded(client):
    assert client.post("/send", data={"token": "x" * 2_000_000}).status_code == 413


@pytest.fixture
def guarded(stage):
    with opened(stage, people=PEOPLE, enable_events=False) as client:
        yield client


def log_in(client, name, password="horse"):
    return client.post("/login", data={"name": name, "password": password, "next": "/tasks", "token": token_of(client, "/login")})


def test_people_log_in_and_out_and_may_do_what_their_role_says(stage, guarded):
    assert guarded.get("/tasks?q=a b").headers["location"] == "/login?next=%2Ftasks%3Fq%3Da%2520b"
    for path in ("/stream", "/series"):
        assert guarded.get(path).status_code in {303, 401}
    before = guarded.cookies.get("umbel_session")
    answer = log_in(guarded, "vera")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Lax" in answer.headers["set-cookie"]
    assert guarded.cookies["umbel_session"] != before
    token = token_of(guarded, "/audit")
    guarded.post(f"/queues/{stage.queue}/pause", data={"token": token})
    assert "needs the role operator" in guarded.get("/audit").text
    assert "Purge" not in guarded.get(f"/queues/{stage.queue}").text
    assert guarded.get("/send").status_code == 403  # it would show arguments that are hidden elsewhere
    session = guarded.cookies["umbel_session"]
    guarded.post("/logout", data={"token": token})
    guarded.cookies.set("umbel_session", session)
    assert guarded.get("/tasks").status_code == 303
    log_in(guarded, "otto")
    guarded.post(f"/queues/{stage.queue}/purge", data={"token": token_of(guarded, "/audit"), "typed": stage.queue})
    assert "needs the role admin" in guarded.get("/audit").text


def test_a_session_that_somebody_else_has_chosen_is_not_taken(guarded):
    guarded.cookies.set("umbel_session", "chosen-by-another")
    log_in(guarded, "ada")
    assert guarded.cookies.get("umbel_session", domain="localhost.local", default="") != "chosen-by-another"


def test_guessing_takes_long(guarded):
    for _ in range(ATTEMPTS):
        assert log_in(guarded, "ada", "wrong").status_code == 401
    answer = log_in(guarded, "ada")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 200
    assert guarded.get("/tasks", auth=("ada", "horse")).status_code in {303, 401}


def test_programs_say_who_they_are(guarded):
    assert guarded.get("/tasks", auth=("vera", "horse")).status_code == 200
    answer = guarded.get("/tasks", auth=("vera", "wrong"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="Umbel", charset="UTF-8"')


def test_a_proxy_names_the_user_and_nobody_else_can(stage):
    with opened(stage, proxy_header="x-user", trusted_proxies=frozenset({"testclient"}), enable_events=False) as client:
        assert client.get("/tasks", headers={"x-user": "ann"}).status_code == 200
        assert client.get("/tasks").status_code == 401
    with opened(stage, proxy_header="x-user", trusted_proxies=frozenset({"10.0.0.1"}), enable_events=False) as client:
        assert client.get("/tasks", headers={"x-user": "ann", "x-forwarded-for": "10.0.0.1"}).status_code == 401


# as people run it


def test_the_command_and_its_stream(stage):
    command = [
        sys.executable,
        "-m",
        "umbel",
        "-A",
        "system.workload",
        "dashboard",
        "--port",
        "0",
        "--history",
        str(stage.folder / "history.db"),
    ]
    process = subprocess.Popen(command, env=stage.environment(), cwd=TESTS, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urllib.request.urlopen(f"{address}stream", timeout=60) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            result = stage.send("add", 1, 1)
            for line in stream:
                if line.startswith(b"data:") and b"tasks" in line:
                    break

        def read(path):
            with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:
                return answer.read().decode()

        eventually(lambda: f'id="run-{result.id}"' in read("tasks?q=task:add"), 60.0)
        eventually(lambda: sum(json.loads(read("series?span=1h"))["succeeded"]) == 1, 60.0)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    assert (stage.folder / "history.db").exists()


def test_the_demo_is_alive():
    process = subprocess.Popen(
        [sys.executable, "-m", "umbel", "demo", "--dashboard", "-c", "1"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))

        def read(path):
            with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:
                return json.load(answer)

        eventually(lambda: read("api/v1/tasks?state=SUCCESS")["tasks"], 60.0, "the shop sells")
        assert {"clean-baskets", "newsletter"} <= {entry["name"] for entry in read("api/v1/schedules")}
        process.terminate()
        assert process.wait(60) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_what_is_refused_is_one_line_in_the_log(client, caplog):
    client.post("/queues/a%0Ab/purge", headers={"sec-fetch-site": "cross-site"})
    (line,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert "\n" not in line


def test_a_queue_with_the_name_of_a_list_is_a_queue(client):
    assert client.get("/dead").status_code == 200
    assert client.get("/api/v1/dead/%5B%5D").json() == []
