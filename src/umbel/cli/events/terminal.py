"""The terminal of the live view: a screen of its own, keys as they are pressed, and all put back at the end, whatever the end is."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final, Self

from umbel.cli.events.picture import Line

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE: Final = "\x1b[0m\x1b[?25h\x1b[?1049l"
_STYLES: Final = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "warn": "33", "busy": "36"}
#: Seconds in which the rest of a key's sequence comes.
_REST: Final = 0.02
_SIGNALS: Final = ("SIGTERM", "SIGHUP", "SIGQUIT")


class Terminal:
    """The terminal that stdin and stdout are; a context manager. A stop signal inside it raises ``SystemExit``.

    Args:
        color: colours may be used.
    """

    def __init__(self, *, color: bool) -> None:
        self._color = color
        self._kept: Any = None
        self._handlers: dict[int, Any] = {}
        self._drawn: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Self:
        import termios

        self._kept = termios.tcgetattr(sys.stdin.fileno())
        try:
            for name in _SIGNALS:
                number = getattr(signal, name)
                self._handlers[number] = signal.signal(number, _stop)
            self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def size(self) -> tuple[int, int]:
        """Return its columns and rows."""
        size = os.get_terminal_size(sys.stdout.fileno())
        return size.columns or 80, size.lines or 24

    def draw(self, lines: Sequence[Line]) -> None:
        """Show lines; those that have not changed are not sent.

        Args:
            lines: one for each row.
        """
        texts = [self._painted(line) for line in lines]
        if len(texts) != len(self._drawn):
            self._drawn = [""] * len(texts)
            self._write("\x1b[2J")
        changed = [f"\x1b[{row};1H{text}\x1b[0m\x1b[K" for row, text in enumerate(texts, 1) if text != self._drawn[row - 1]]
        self._drawn = texts
        if changed:
            self._write("".join(changed))

    def read(self, timeout: float) -> str:
        """Wait for keys; returns what they send, empty when none was pressed.

        Args:
            timeout: seconds.

        Raises:
            EOFError: the terminal is gone.
        """
        number = sys.stdin.fileno()
        if not select.select([number], [], [], timeout)[0]:
            return ""
        found = self._some(number)
        while found.endswith(("\x1b", "\x1b[", "\x1bO")) and select.select([number], [], [], _REST)[0]:
            found += self._some(number)
        return found

    def _some(self, number: int) -> str:
        data = os.read(number, 1024)
        if not data:
            raise EOFError
        return self._decoder.decode(data)

    def _begin(self) -> None:
        import tty

        tty.setcbreak(sys.stdin.fileno())
        self._drawn = []
        self._write(_ENTER)

    def _end(self) -> None:
        """Put everything back. A terminal that is gone needs nothing; a signal now must not leave half of it."""
        import termios

        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._kept)
        with contextlib.suppress(OSError):
            self._write(_LEAVE)
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Handle Ctrl-Z: the shell gets its terminal as it was; when we go on, we take it again."""
        import termios

        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._kept)
        self._write(_LEAVE)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._begin()

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _painted(self, line: Line) -> str:
        reverse = "7" if line.selected else ""
        found = []
        for text, style in line.parts:
            code = _STYLES.get(style, "")
            if not self._color and style not in {"bold", "dim"}:
                code = ""
            codes = ";".join(each for each in (reverse, code) if each)
            found.append(f"\x1b[0;{codes}m{text}" if codes else f"\x1b[0m{text}")
        return "".join(found)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
