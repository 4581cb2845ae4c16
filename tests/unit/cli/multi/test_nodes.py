"""Which workers a command line of ``umbel multi`` means, and with which options."""

from __future__ import annotations

import pytest

from umbel.cli.multi.nodes import expand, make_nodes, parse

VALUED = {"-c": True, "-Q": True, "-A": True, "-l": True, "--loglevel": True, "-E": False, "--pidfile": True, "--logfile": True, "-n": True}


def nodes(text):
    return make_nodes(parse(text.split(), VALUED.get, lambda word: word in ("TERM", "9")), "box.example.com")


def words(text):
    return {node.name.partition("@")[0]: " ".join(node.words) for node in nodes(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", ["celery1@box.example.com", "celery2@box.example.com", "celery3@box.example.com"]),
        ("2 --range-prefix=w", ["w1@box.example.com", "w2@box.example.com"]),
        ("fast slow@other", ["fast@box.example.com", "slow@other"]),
        ("-E fast", ["fast@box.example.com"]),
        ("2 -n farm", ["celery1@farm", "celery2@farm"]),
        ("a --suffix=%n.local", ["a@box.local"]),
        ("-9 a", ["a@box.example.com"]),
    ],
)
def test_names(text, expected):
    assert [node.name for node in nodes(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 -A proj -c 3 -c:1 10", {"celery1": "-A proj -c 10", "celery2": "-A proj -c 3"}),
        ("3 -Q:2-3 fast", {"celery1": "", "celery2": "-Q fast", "celery3": "-Q fast"}),
        ("3 -c:1,3 4", {"celery1": "-c 4", "celery2": "", "celery3": "-c 4"}),
        ("a b -c:b 4", {"a": "", "b": "-c 4"}),
        ("a b -c:2 4", {"a": "", "b": "-c 4"}),
        ("a b --loglevel:a info", {"a": "--loglevel=info", "b": ""}),
        ("a --loglevel=info -c4 -E", {"a": "--loglevel=info -c 4 -E"}),
        ("a --mine -z 1", {"a": "--mine -z 1"}),
        ("a -l info -- task_acks_late=false", {"a": "-l info -- task_acks_late=false"}),
        ("a -q --verbose --nosplash --no-color", {"a": ""}),
    ],
)
def test_options(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Which workers"),
        ("0", "expected 1 to"),
        ("9999999", "expected 1 to"),
        ("a a", "named twice"),
        ("../a", "not a worker's name"),
        ("3 -c", "-c needs a value"),
        ("3 -c: 4", "missing after the colon"),
        ("3 -c:4 1", "there is no worker '4'"),
        ("3 -c:2-9 1", "there is no worker '2-9'"),
        ("3 --pidfile=/run/w.pid", "have the same pidfile"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ValueError, match=message):
        nodes(text)


def test_paths():
    (node,) = nodes("a --pidfile=/run/%n-%d.pid --logfile=/log/%p%I.log")
    assert (node.pidfile, node.logfile) == ("/run/a-example.com.pid", "/log/a@box.example.com%I.log")
    assert node.arguments()[:3] == ("--detach", "-n", "a@box.example.com")
    assert expand("%n%%%i", "a@box") == "a%%%i"  # the worker fills in the rest


def test_a_signal_is_no_option():
    line = parse(["a", "-TERM"], VALUED.get, lambda word: word == "TERM")
    assert (line.signal, line.options) == ("TERM", ())
