from __future__ import annotations

import click
import pytest

from umbel.cli.loading import LoadedApp
from umbel.cli.options import EX_UNAVAILABLE, Misuse
from umbel.cli.remote import asking
from umbel.control.commands import COMMANDS, Command


def command(name):
    found = COMMANDS.find(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("ping", [], {}),
        ("pool_grow", [], {}),
        ("pool_grow", ["3"], {"n": 3}),
        ("active", ["yes"], {"safe": True}),
        ("conf", ["no"], {"with_defaults": False}),
        ("time_limit", ["t", "5", "6.5"], {"task_name": "t", "soft": 5.0, "hard": 6.5}),
        ("query_task", [], {"ids": []}),
        ("query_task", ["a", "b"], {"ids": ["a", "b"]}),
        ("terminate", ["KILL", "a", "b"], {"signal": "KILL", "task_id": ["a", "b"]}),
        ("revoke_by_stamped_headers", ["a=b"], {"headers": ["a=b"]}),
        ("add_consumer", ["q"], {"queue": "q"}),
    ],
)
def test_words_become_arguments(name, words, expected):
    assert asking.parsed(command(name), words) == expected


@pytest.mark.parametrize(
    ("name", "words", "text"),
    [
        ("pool_grow", ["x"], "n is a whole number, got 'x'. Usage: control pool_grow [N=1]"),
        ("time_limit", ["t", "soon"], "soft is a number, got 'soon'. Usage: control time_limit TASK SOFT [HARD]"),
        ("conf", ["perhaps"], "with_defaults is yes or no, got 'perhaps'."),
        ("pool_grow", ["1", "2"], "pool_grow takes 1 argument, got 2. Usage: control pool_grow [N=1]"),
        ("ping", ["x"], "ping takes 0 arguments, got 1. Usage: inspect ping"),
    ],
)
def test_words_that_do_not_fit_are_told_with_the_usage(name, words, text):
    with pytest.raises(Misuse) as caught:
        asking.parsed(command(name), words)
    assert caught.value.message.startswith(text)


def test_a_conversion_of_an_apps_own():
    own = Command(name="own", kind="control", handler=print, args=(("x", lambda word: {"a": 1}[word]), ("y", lambda word: int(word, 2))))
    with pytest.raises(Misuse, match=r"y is another kind of word, got '3'\."):
        asking.parsed(Command(name="own", kind="control", handler=print, args=own.args[1:]), ["3"])


NO_APP = LoadedApp(None, None, {})


def test_commands_are_found_by_their_names_and_aliases():
    assert asking.find(NO_APP, "inspect", "dump_active").name == "active"
    with pytest.raises(Misuse, match=r"There is no inspect command 'actve'\. Did you mean active\?"):
        asking.find(NO_APP, "inspect", "actve")
    with pytest.raises(Misuse, match=r"There is no control command 'zzz'\. There are: add_consumer, autoscale"):
        asking.find(NO_APP, "control", "zzz")
    with pytest.raises(Misuse, match=r"pool_grow is a command of umbel control\."):
        asking.find(NO_APP, "inspect", "pool_grow")


def test_what_is_not_to_be_listed_is_not():
    names = [text.partition(" ")[0] for text, _ in asking.described("inspect")]
    assert names == sorted(names)
    assert "ping" in names
    assert "hello" not in names
    assert asking.find(NO_APP, "inspect", "hello").name == "hello"


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        ((), "No worker has replied within 1 s."),
        (("a@b",), "a@b has not replied within 1 s."),
        (("a@b", "c@d"), "None of them has replied"),
    ],
)
def test_nobody_is_celerys_exit_code(destination, text, capsys):
    with pytest.raises(click.exceptions.Exit) as caught:
        asking.nobody(None, destination)
    assert caught.value.exit_code == EX_UNAVAILABLE == 69
    assert text in capsys.readouterr().err
