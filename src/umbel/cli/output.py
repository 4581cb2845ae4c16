"""What commands print: lines, aligned columns, JSON. Data goes to stdout, remarks to stderr."""

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
    """Whether to colour: a terminal that is not dumb, and nobody said no (``NO_COLOR``, ``--no-color``)."""
    if no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def width(text: str) -> int:
    """Terminal columns that a text takes: Chinese characters take two."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _clip(text: str, room: int) -> str:
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
    """JSON that a person can read, and that cannot steer a terminal: controls and bidirectional overrides are escapes.

    Args:
        value: what JSON cannot hold is written as its ``repr``.
        indent: spaces for each level; ``None`` writes one line.
    """
    return json.dumps(value, ensure_ascii=False, indent=indent, default=repr).translate(JSON_ESCAPES)


@dataclass(frozen=True, slots=True)
class Output:
    """How this command may print."""

    color: bool
    quiet: bool
    as_json: bool = False

    @classmethod
    def of(cls, context: click.Context, *, as_json: bool = False) -> Output:
        """As the command line and the terminal want it."""
        options = GlobalOptions.of(context)
        return cls(wants_color(sys.stdout, no_color=options.no_color), options.quiet, as_json)

    def paint(self, text: str, **style: Any) -> str:
        """Styled where colour is wanted."""
        return click.style(text, **style) if self.color else text

    def line(self, text: str = "") -> None:
        """What the user asked for."""
        click.echo(text, color=self.color)

    def remark(self, text: str | None) -> None:
        """What the user may want to know, if anything; silent with ``--quiet``, and never in the way of data."""
        if text and not self.quiet:
            click.echo(text, err=True)

    def data(self, value: Any) -> None:
        """One JSON document."""
        click.echo(as_json(value, indent=2 if sys.stdout.isatty() else None))

    def columns(
        self, titles: Sequence[str], rows: Sequence[Sequence[object]], *, right: frozenset[int] = frozenset(), wrap: bool = False
    ) -> None:
        """Aligned columns under dim titles; all but the first are cut where the terminal is narrow.

        Args:
            right: columns of numbers, which stand right.
            wrap: continue the last column on further lines instead of cutting it.
        """
        cells = [[escape(str("–" if cell is None else cell)) for cell in row] for row in rows]
        widths = [max([width(title), *(width(row[column]) for row in cells)]) for column, title in enumerate(titles)]
        last = len(widths) - 1
        room = _terminal_width() - sum(widths[:-1]) - 3 * last
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
                    parts.append(cell if wrap else _clip(cell, room))
                    continue
                text = _clip(cell, widths[column])
                gap = " " * (widths[column] - width(text))
                parts.append(gap + text if column in right else text + gap)
            return "   ".join(parts).rstrip()

        self.line(self.paint(aligned(titles), dim=True))
        for row in cells:
            first, *more = (textwrap.wrap(row[-1], room) or [""]) if wrap else [row[-1]]
            self.line(aligned([*row[:-1], first]))
            for text in more:
                self.line(" " * (sum(widths[:-1]) + 3 * last) + text)


def _terminal_width() -> int:
    if not sys.stdout.isatty():
        return 10_000  # a pipe has no edge
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 message``, ``2,000 messages``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ago(seconds: float) -> str:
    """An age in one unit: ``12s``, ``5m``, ``3h``, ``2d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def confirm(question: str, *, yes: bool, option: str = "-f") -> None:
    """Ask before something is destroyed.

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
