"""The screen of the demo: on a terminal a picture that fills up, elsewhere a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click

from umbel.cli.demo.picture import TILES, Canvas, color


class Screen(Protocol):
    """A view of the demo."""

    #: A process was killed; its task was run again.
    killed: bool
    recovered: bool

    def draw(self, tile: int, values: Sequence[Sequence[float]]) -> None:
        """Take a finished tile: its number ``tile`` and its ``values``, rows of brightness."""

    def refresh(self, seconds: float) -> None:
        """Show the state after ``seconds`` of the demo."""

    def stop(self) -> None:
        """End the view."""


class PlainScreen:
    """Lines, for pipes and logs; the picture, in letters, at the end."""

    def __init__(self) -> None:
        self.killed = self.recovered = False
        self._canvas = Canvas()
        self._done = 0
        self._told: set[str] = set()

    def draw(self, tile: int, values: Sequence[Sequence[float]]) -> None:
        """Take a finished tile: its number ``tile`` and its ``values``, rows of brightness."""
        self._canvas.put(tile, values)
        self._done += 1

    def refresh(self, seconds: float) -> None:
        """Print what is new after ``seconds`` of the demo, each line once."""
        for share in (25, 50, 75, 100):
            if self._done * 100 >= share * TILES:
                self._print_once(str(share), f"{share:>4} % of {TILES} tiles  {seconds:.1f} s")
        if self.killed:
            self._print_once("killed", "       a process was killed in the middle of a task (kill -9)")
        if self.recovered:
            self._print_once("recovered", "       the task that it was running has been done by another process")

    def _print_once(self, key: str, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            click.echo(text)

    def stop(self) -> None:
        """Show the picture."""
        click.echo("\n" + self._canvas.plain())


class LiveScreen:
    """The picture itself."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.killed = self.recovered = False
        self._canvas = Canvas()
        self._done = 0
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, refresh_per_second=20)
        self._live.start()

    def draw(self, tile: int, values: Sequence[Sequence[float]]) -> None:
        """Take a finished tile: its number ``tile`` and its ``values``, rows of brightness."""
        self._canvas.put(tile, values)
        self._done += 1

    def refresh(self, seconds: float) -> None:
        """Draw the picture as it is after ``seconds`` of the demo."""
        from rich.text import Text

        text = Text(no_wrap=True)
        for row in self._canvas.cells():
            text.append("  ")
            for upper, lower in row:
                if upper is None or lower is None:
                    text.append("·", "grey23")
                else:
                    text.append("▀", f"{color(upper)} on {color(lower)}")
            text.append("\n")
        text.append(f"\n  {self._done:>3} of {TILES} tiles   {seconds:4.1f} s   ")
        if self.recovered:
            text.append("✓ the killed process's task was done by another", "green")
        elif self.killed:
            text.append("✗ a process was just killed (kill -9) in the middle of a task", "red")
        self._live.update(text)

    def stop(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()


@contextmanager
def screen(*, color: bool) -> Iterator[Screen]:
    """Choose the screen that fits where stdout leads; ``color`` allows the picture."""
    view: Screen = LiveScreen() if color and sys.stdout.isatty() else PlainScreen()
    try:
        yield view
    finally:
        view.stop()
