"""A process in the background, and what became of its start.

The process that was started reports over a pipe: a byte of its own once it is ready, else the error that ended it. Whoever started it waits
for that, so that a wrong app, a wrong URL or a pidfile that is held is an exit code and not a line in a log that nobody reads.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import subprocess
import sys
import time

import click

DETACHED = "_UMBEL_DETACHED"
_REPORT = "_UMBEL_REPORT"
#: What a process writes that is ready; no text has it.
_READY = b"\0"
#: Seconds for which the start is waited for: a server that cannot be reached is tried again for longer.
PATIENCE = 10.0
#: Seconds between two looks at whether the process has ended.
_LOOK = 0.05
#: Part of the remark on a process that may be ready later.
NOT_READY = "not ready after"


class StartFailed(click.ClickException):
    """A process in the background has ended before it was ready.

    Args:
        message: what it said.
        code: its exit code; negative for a signal.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code: int = code if code > 0 else 1  # type: ignore[misc]  # click reads it of the instance


class _Reports(io.TextIOBase):
    """Standard error output of a process that starts in the background: it goes to whoever started it, as long as he listens.

    Args:
        number: of the pipe's end.
    """

    encoding = "utf-8"

    def __init__(self, number: int) -> None:
        self.number = number

    def write(self, text: str) -> int:
        """Send ``text`` if anyone listens."""
        with contextlib.suppress(OSError):
            os.write(self.number, text.encode(errors="backslashreplace"))
        return len(text)

    def writable(self) -> bool:
        return True


def is_detached() -> bool:
    """Report whether this process was started by `detach`."""
    return os.environ.get(DETACHED) == "1"


def report_errors() -> None:
    """In a process that was started by `detach`: have errors go to whoever waits for the start."""
    number = os.environ.pop(_REPORT, "")
    if number.isdecimal():
        os.set_inheritable(int(number), False)
        sys.stderr = _Reports(int(number))


def report_ready() -> None:
    """In a process that was started by `detach`: say that it is ready; from now on its log tells how it fares."""
    stream = sys.stderr
    if not isinstance(stream, _Reports):
        return
    with contextlib.suppress(OSError):
        os.write(stream.number, _READY)
    with contextlib.suppress(OSError):
        os.close(stream.number)
    sys.stderr = sys.__stderr__


def detach(executable: str | None = None) -> str:
    """Run this same command line in a session of its own, without a terminal, and wait until it is ready; returns a remark on that.

    Args:
        executable: Python to run it with; this one if ``None``.

    Raises:
        StartFailed: it has failed.
        click.ClickException: the interpreter cannot be run.
    """
    ours, its = os.pipe()
    try:
        process = subprocess.Popen(
            [executable or sys.executable, "-m", "umbel", *sys.argv[1:]],
            env={**os.environ, DETACHED: "1", _REPORT: str(its)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(its,),
        )
    except OSError as error:
        os.close(ours)
        raise click.ClickException(f"Cannot run {executable or sys.executable}: {error.strerror}.") from error
    finally:
        os.close(its)
    try:
        said, ready = _read(ours, process)
    finally:
        os.close(ours)
    code = None if ready else process.poll()
    if code is not None:
        text = said.decode(errors="replace").strip().removeprefix("Error: ")
        raise StartFailed(text or f"The process in the background has ended with code {code}; its log may say why.", code)
    process.returncode = 0  # we do not wait for it, and Python need not warn of that
    more = "" if ready else f"; {NOT_READY} {PATIENCE:g} s, its log says why"
    return f"Started in the background: process {process.pid}{more}."


def _read(number: int, process: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
    """Read what a process reports until it is ready, has ended, or time is up; returns the text, and whether it is ready."""
    said, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        while select.select([number], [], [], 0 if ended else _LOOK)[0]:
            part = os.read(number, 65536)
            if not part:
                process.wait()  # it alone had the other end
                return said, False
            said += part
            if said.endswith(_READY):
                return said.removesuffix(_READY), True
        if ended:
            break
    return said, False
