"""Which command runs, with which shared options, and how errors leave."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from umbel._version import __version__
from umbel.cli import main
from umbel.cli.main import COMMANDS, cli
from umbel.cli.options import EX_FAILURE, EX_INTERRUPTED, EX_UNAVAILABLE, Command, GlobalOptions, did_you_mean
from umbel.errors import ImproperlyConfigured, OperationalError


@pytest.fixture
def probe(monkeypatch):
    """A command that keeps the shared options it was given."""
    seen = []

    @click.command(cls=Command)
    @click.pass_context
    def command(context):
        seen.append(GlobalOptions.of(context))

    monkeypatch.setattr(main.Commands, "get_command", lambda _self, _ctx, name: command if name == "probe" else None)
    return seen


@pytest.mark.parametrize(
    "arguments", [("-A", "tasks", "probe"), ("probe", "-A", "tasks"), ("probe", "--app=tasks"), ("-A", "other", "probe", "-A", "tasks")]
)
def test_shared_options_stand_before_or_after_the_command(umbel, probe, arguments):
    assert umbel(*arguments).code == 0
    assert probe[0].app == "tasks"


def test_all_shared_options_are_taken(umbel, probe, tmp_path):
    umbel("-b", "memory://", "--result-backend", "r", "--config", "c", "--workdir", str(tmp_path), "probe", "-C", "-q")
    expected = GlobalOptions(broker="memory://", result_backend="r", config="c", workdir=str(tmp_path), no_color=True, quiet=True)
    assert probe == [expected]


@pytest.mark.parametrize("variable", ["UMBEL_APP", "CELERY_APP"])
def test_the_app_may_come_from_the_environment(umbel, probe, monkeypatch, variable):
    monkeypatch.setenv(variable, "shop")
    umbel("probe")
    assert probe[0].app == "shop"


@pytest.mark.parametrize("arguments", [("--version",), ("queues", "--version")])
def test_version(umbel, arguments):
    assert umbel(*arguments).out == f"umbel {__version__}\n"


def test_no_arguments_show_the_commands(umbel):
    ended = umbel()
    assert ended.code == 0
    assert all(name in ended.out for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_and_a_summary(umbel, name):
    ended = umbel(name, "--help")
    assert ended.code == 0
    assert "--app" in ended.out


def test_a_wrong_command_gets_a_suggestion(umbel):
    ended = umbel("wroker")
    assert ended.code == 2
    assert "Did you mean worker?" in ended.err


def test_a_wrong_subcommand_gets_a_suggestion(umbel):
    ended = umbel("dead", "lst")
    assert ended.code == 2
    assert "Did you mean list?" in ended.err


def test_a_wrong_option_gets_a_suggestion(umbel):
    ended = umbel("worker", "--concurency", "3")
    assert ended.code == 2
    assert "--concurrency" in ended.err


def test_a_task_named_without_its_module_is_recognised():
    assert did_you_mean("add", ["shop.add", "shop.sell"]) == "Did you mean shop.add?"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationalError("no broker"), EX_UNAVAILABLE),
        (ImproperlyConfigured("bad"), EX_FAILURE),
        (KeyboardInterrupt(), EX_INTERRUPTED),
        (click.UsageError("no"), 2),
    ],
)
def test_errors_become_one_line_and_a_code(umbel, monkeypatch, error, code):
    def fail(**_):
        raise error

    monkeypatch.setattr(cli, "main", fail)
    ended = main.run([])
    assert ended == code


def test_an_unforeseen_error_keeps_its_traceback(monkeypatch):
    def fail(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(ZeroDivisionError):
        main.run([])


def test_a_broker_that_is_not_there_is_one_line_without_password(umbel):
    ended = umbel("-b", "redis://:hunter2@127.0.0.1:1/0", "queues")
    assert ended.code == EX_UNAVAILABLE
    assert ended.err.count("\n") == 1
    assert "127.0.0.1:1" in ended.err
    assert "hunter2" not in ended.err + ended.out


def test_output_into_a_closed_pipe_is_quiet():
    script = f"{sys.executable} -m umbel settings --all | head -1"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("arguments", ["settings --all", "--help"])
def test_a_full_disk_behind_the_output_is_one_line(arguments):
    script = f"{sys.executable} -m umbel {arguments} > /dev/full"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == EX_FAILURE
    assert done.stderr == "Error: Cannot write to standard output: No space left on device.\n"


def test_closed_streams_are_not_taken_for_files(tmp_path):
    script = (
        f"{sys.executable} -m umbel -b sqlite:///u.db call t <&- >&- 2>&-; echo $?; {sys.executable} -m umbel -b sqlite:///u.db queues -j"
    )
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.startswith('0\n[{"queue": "celery", "ready": 1, "delayed": 0, "dead": 0, ')


def test_the_options_of_a_long_command_stand_in_sections(umbel):
    out = umbel("worker", "--help").out
    titles = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [
        "Examples:",
        "Queues:",
        "Tasks:",
        "Pool:",
        "Periodic tasks:",
        "Events:",
        "Monitoring:",
        "Log:",
        "Process:",
        "Options:",
        "Options of every command:",
    ]
    assert "--concurrency" in out.partition("Pool:")[2].partition("Log:")[0]
    assert [line.split()[0] for line in out.partition("\nOptions:\n")[2].partition("\n\n")[0].splitlines()] == ["-h,"]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_has_no_formatting_marks_and_explains_what_it_lists(umbel, name):
    out = umbel(*name.split(), "--help").out
    assert "\\b" not in out
    assert "..." not in out.partition("\n")[2]
    listed = [line.strip() for line in out.partition("Options:")[2].splitlines() if line.startswith("  ")]
    assert not [line for line in listed if line.isupper()]


def test_help_is_quick():
    def once() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "umbel", "--help"], capture_output=True, check=True)
        after = os.times()  # of processor, not of wall: the machine may be busy with other tests
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(once() for _ in range(5)) < 0.150


@pytest.mark.parametrize("option", [("-l", "info"), ("--loglevel=info",), ("-c4",)])
def test_a_commands_own_option_before_it_gets_a_hint(umbel, option):
    ended = umbel("-A", "tasks", *option, "worker")
    assert ended.code == 2
    assert f"{option[0][:2] if option[0][1] != '-' else '--loglevel'} is an option of 'worker': write it after that word." in ended.err
    assert "No such option" in umbel("-A", "tasks", "--nonsense", "worker").err
