"""What is printed and how it looks."""

from __future__ import annotations

import io
import json

import click
import pytest

from umbel.cli.banner import Facts, flowed, render
from umbel.cli.output import Output, ago, confirm, count, wants_color, width

PLAIN = Output(color=False, quiet=False)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_for_terminals(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())
    assert not wants_color(Terminal(), no_color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())


def test_chinese_takes_two_columns():
    assert width("踏青 ab") == 7


def test_columns_line_up(capsys):
    PLAIN.columns(["NAME", "N", "WHAT"], [("踏青", 5, "x"), ("long-name", 1234, None)], right=frozenset({1}))
    assert capsys.readouterr().out == "NAME           N   WHAT\n踏青           5   x\nlong-name   1234   –\n"


def test_columns_fit_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr("umbel.cli.output.terminal_width", lambda: 60)
    row = ("01a1fb8d-97b3-7d04-9a15-7068195ea2e5"[:20], "v" * 40, "one two three four five six seven")
    PLAIN.columns(["ID", "VALUE", "WHAT"], [row])
    title, line = capsys.readouterr().out.splitlines()
    assert line == f"{row[0]}   {'v' * 17}…   one two three f…"
    assert title.index("WHAT") == line.index("one")
    PLAIN.columns(["ID", "VALUE", "WHAT"], [row], wrap=True)
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line[44:] for line in lines] == ["one two three", "four five six", "seven"]


def test_no_is_an_answer(monkeypatch):
    monkeypatch.setattr("sys.stdin", terminal := Terminal("n\n"))
    assert terminal.isatty()
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _text: terminal.readline())
    with pytest.raises(click.ClickException, match="Nothing was dropped"):
        confirm("Drop it?", yes=False)


def test_control_characters_do_not_reach_the_terminal(capsys):
    PLAIN.columns(["NAME"], [("a\x1b[2Jb\nc",)])
    assert capsys.readouterr().out == "NAME\na\\x1b[2Jb\\nc\n"


def test_json_cannot_steer_a_terminal(capsys):
    value = {"\u202ekey": "a\x9b31m\x1b[0m\u2066b\x7f踏青"}
    Output(color=False, quiet=False, as_json=True).data(value)
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert "踏青" in printed
    assert printed.rstrip("\n").isprintable()


def test_remarks_are_silent_when_quiet(capsys):
    Output(color=False, quiet=True).remark("hello")
    PLAIN.remark("there")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "there\n")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0s"), (59, "59s"), (61, "1m"), (7300, "2h"), (200_000, "2d"), (-3, "0s")])
def test_ages(seconds, text):
    assert ago(seconds) == text


def test_counts():
    assert count(1, "child", "children") == "1 child"
    assert count(2000, "message") == "2,000 messages"


FACTS = Facts(
    node="w@box", app="shop", broker="sqlite:///x", results="not kept", pool="prefork, 2 children", queues=["celery"], tasks=["shop.add"]
)


def test_the_banner_shows_the_facts():
    text = render(FACTS, PLAIN)
    assert "\x1b" not in text
    for fact in ("w@box", "shop", "sqlite:///x", "not kept", "prefork, 2 children", "celery", "shop.add"):
        assert fact in text


def test_the_banner_stands_on_a_plain_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert render(FACTS, PLAIN).isascii()


def test_many_names_are_cut():
    lines = flowed([f"package.module.task_{number:03}" for number in range(200)])
    assert len(lines) == 5
    assert "more" in lines[-1]
    assert all(width(line) <= 110 for line in lines)
