"""Output of commands: lines, aligned columns, JSON. Data goes to stdout, remarks to stderr."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import click

from umbel.cli.options import GlobalOptions, Misuse
from umbel.runtime.logs import JSON_ESCAPES, escape

#: Columns of the terminal below which none is cut.
_LEAST = 16


def wants_color(stream: TextIO, *, no_color: bool = False) -> bool:
    """Report whether to colour ``stream``: a terminal that is not dumb, with neither ``NO_COLOR`` nor ``no_color``."""
    if no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def width(text: str) -> int:
    """Count the columns that ``text`` takes on a terminal: Chinese characters take two."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def clip(text: str, room: int) -> str:
    """Cut a text, with an ellipsis where something is lost.

    Args:
        text: one line.
        room: columns that it may take.
    """
    if width(text) <= room:
        return text
    kept, used = [], 0
    for char in text:
        used += width(char)
        if used > room - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Render JSON that a person can read, and that cannot steer a terminal: controls and bidirectional overrides are escapes.

    Args:
        value: what JSON cannot hold is written as its ``repr``.
        indent: spaces for each level; ``None`` writes one line.
    """
    return json.dumps(value, ensure_ascii=False, indent=indent, default=repr).translate(JSON_ESCAPES)


@dataclass(frozen=True, slots=True)
class Output:
    """The way in which one command prints."""

    color: bool
    quiet: bool
    as_json: bool = False

    @classmethod
    def of(cls, context: click.Context, *, as_json: bool = False) -> Output:
        """Make the output that the command line in ``context`` and the terminal ask for; ``as_json`` is the command's ``--json``."""
        options = GlobalOptions.of(context)
        return cls(wants_color(sys.stdout, no_color=options.no_color), options.quiet, as_json)

    def paint(self, text: str, **style: Any) -> str:
        """Style ``text`` where colour is wanted; ``style`` is that of `click.style`."""
        return click.style(text, **style) if self.color else text

    def line(self, text: str = "") -> None:
        """Print ``text``, which the user asked for, as a line on stdout."""
        click.echo(text, color=self.color)

    def remark(self, text: str | None) -> None:
        """Print ``text``, if any, as a line on stderr, in the way of no data; silent with ``--quiet``."""
        if text and not self.quiet:
            click.echo(text, err=True)

    def data(self, value: Any) -> None:
        """Print ``value`` as one JSON document."""
        click.echo(as_json(value, indent=2 if sys.stdout.isatty() else None))

    def columns(
        self, titles: Sequence[str], rows: Sequence[Sequence[object]], *, right: frozenset[int] = frozenset(), wrap: bool = False
    ) -> None:
        """Print aligned columns under dim titles; all but the first are cut where the terminal is narrow.

        Args:
            titles: of the columns.
            rows: a value for each column; ``None`` is shown as a dash.
            right: columns of numbers, which stand right.
            wrap: continue the last column on further lines instead of cutting it.
        """
        cells = [[escape(str("–" if cell is None else cell)) for cell in row] for row in rows]
        widths = [max([width(title), *(width(row[column]) for row in cells)]) for column, title in enumerate(titles)]
        last = len(widths) - 1
        room = terminal_width() - sum(widths[:-1]) - 3 * last
        for column in sorted(set(range(1, last)) - right, key=lambda column: -widths[column]):
            if room < _LEAST:  # the others give way, the widest first; what names a row stays whole
                given = min(_LEAST - room, max(0, widths[column] - _LEAST))
                widths[column] -= given
                room += given
        room = max(room, _LEAST)

        def aligned(row: Sequence[str]) -> str:
            parts = []
            for column, cell in enumerate(row):
                if column == last and column not in right:
                    parts.append(cell if wrap else clip(cell, room))
                    continue
                text = clip(cell, widths[column])
                gap = " " * (widths[column] - width(text))
                parts.append(gap + text if column in right else text + gap)
            return "   ".join(parts).rstrip()

        self.line(self.paint(aligned(titles), dim=True))
        for row in cells:
            first, *more = (textwrap.wrap(row[-1], room) or [""]) if wrap else [row[-1]]
            self.line(aligned([*row[:-1], first]))
            for text in more:
                self.line(" " * (sum(widths[:-1]) + 3 * last) + text)


def terminal_width() -> int:
    """Return the columns of the terminal that stdout is; many where it is none."""
    if not sys.stdout.isatty():
        return 10_000  # a pipe has no edge
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80


def count(number: int, one: str, many: str | None = None) -> str:
    """Write ``number`` with its noun: ``1 message``, ``2,000 messages``; ``one`` is the singular, ``many`` the plural if it is no mere s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ago(seconds: float) -> str:
    """Write an age of so many ``seconds`` in one unit: ``12s``, ``5m``, ``3h``, ``2d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def confirm(question: str, *, yes: bool, option: str = "-f") -> None:
    """Ask before something is destroyed.

    Args:
        question: to be answered by yes or no.
        yes: the answer was given on the command line.
        option: by which it is given there, for the error's text.

    Raises:
        Misuse: there is no terminal to ask on and ``yes`` was not given.
        click.ClickException: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse(f"This cannot be undone, and there is no terminal to ask on. Add {option} to go ahead.")
    if not click.confirm(question, err=True):
        raise click.ClickException("Nothing was dropped.")
