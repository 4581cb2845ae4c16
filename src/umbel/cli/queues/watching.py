"""A table of queues that is drawn again every second, until q or Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from umbel.cli.output import Output, as_json
from umbel.cli.queues.figures import RIGHT, TITLES, QueueRow
from umbel.runtime.logs import escape

#: Seconds between two looks.
_INTERVAL: Final = 1.0


def watch(output: Output, look: Callable[[], Sequence[QueueRow]]) -> None:
    """Show figures again and again; returns when q is pressed.

    Args:
        output: to show them on: a terminal is drawn on in place, else each look is a table; with JSON a line.
        look: reads them.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    with _drawing(output) as draw, _keys() as pressed:
        while True:
            draw(look())
            if pressed(_INTERVAL):
                return


@contextlib.contextmanager
def _drawing(output: Output) -> Iterator[Callable[[Sequence[QueueRow]], None]]:
    if output.as_json:
        yield lambda rows: _flushed(output, as_json([row.document() for row in rows]))
        return
    if not sys.stdout.isatty():

        def table(rows: Sequence[QueueRow]) -> None:
            output.columns(TITLES, [row.cells() for row in rows], right=RIGHT)
            _flushed(output, "")

        yield table
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(no_color=not output.color, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda rows: live.update(_table(rows), refresh=True)


def _flushed(output: Output, text: str) -> None:
    output.line(text)
    sys.stdout.flush()


def _table(rows: Sequence[QueueRow]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", caption="q ends", caption_justify="left", padding=(0, 3, 0, 0))
    for place, title in enumerate(TITLES):
        table.add_column(title, justify="right" if place in RIGHT else "left")
    for row in rows:
        style = "yellow" if row.paused else ""
        table.add_row(*(Text(escape("–" if cell is None else cell), style=style) for cell in row.cells()))
    return table


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Read keys as they are pressed, where there is a terminal: waits for so many seconds, and returns whether q was pressed."""
    try:
        import select
        import termios
        import tty

        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
    except (ImportError, OSError, ValueError, termios.error):
        yield _sleep
        return
    tty.setcbreak(number)

    def pressed(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([number], [], [], left)[0]:
                keys = os.read(number, 64)  # past the buffer of stdin, which select does not see
                if not keys or b"q" in keys.lower():
                    return True
        return False

    try:
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
