"""What `umbel dashboard` takes, and what it refuses."""

from __future__ import annotations

import pytest

from umbel.cli.main import run
from umbel.dashboard import command
from umbel.dashboard.security.people import Role, known
from umbel.errors import ImproperlyConfigured

USUAL = {
    "host": "127.0.0.1", "users": None, "root": "", "basic": False, "history": "none", "keep": "30d", "keep_runs": 10, "no_enable_events": False,
    "environment": "", "proxy_header": None, "proxy_role": "viewer", "proxies": (), "hosts": (), "open_metrics": False, "hide": (),
    "insecure": False,
}  # fmt: skip


def options(**given):
    return command.options_of({**USUAL, **given})


def test_on_this_machine_nobody_has_to_log_in():
    assert not options().asks_for_names
    assert options(host="::1").history is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"host": "0.0.0.0"}, "--users"),
        ({"host": "10.1.2.3"}, "--users"),
        ({"host": "0.0.0.0", "insecure": True}, "--allow-host"),
        ({"basic": True}, "--basic"),
        ({"users": "/nowhere/people.txt"}, "people.txt"),
        ({"keep": "long"}, "long"),
        ({"root": "umbel"}, "--root"),
    ],
)
def test_what_would_be_dangerous_or_is_wrong(given, named):
    with pytest.raises(ImproperlyConfigured, match=named):
        options(**given)


def test_people_may_come_from_afar(tmp_path, monkeypatch):
    (tmp_path / "people.txt").write_text("ann:operator:horse\n")
    monkeypatch.setenv(command.PEOPLE, "bob:viewer:battery eve:admin:staple")
    found = options(host="0.0.0.0", users=str(tmp_path / "people.txt")).people
    assert {name: person.role for name, person in found.items()} == {"ann": Role.OPERATOR, "bob": Role.VIEWER, "eve": Role.ADMIN}


def test_a_proxy_may_say_who_it_is():
    found = options(host="0.0.0.0", proxy_header="x-user", proxies=("10.0.0.1",))
    assert found.trusted_proxies == {"10.0.0.1"}


def test_an_empty_file_of_people_is_a_mistake(tmp_path):
    (tmp_path / "people.txt").write_text("# nobody yet\n")
    with pytest.raises(ImproperlyConfigured, match="nobody"):
        options(users=str(tmp_path / "people.txt"))


def test_hashing_a_password(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("horse\n"))
    assert run(["dashboard", "--hash-password"]) == 0
    line = capsys.readouterr().out.strip()
    found = __import__("umbel.dashboard.security.people", fromlist=["read"]).read([f"ann:admin:{line}"], "here")
    assert known(found, "ann", "horse") is not None


def test_it_refuses_to_be_reached_by_all(capsys):
    assert run(["dashboard", "--host", "0.0.0.0"]) == 2
    assert "--users" in capsys.readouterr().err
