"""Named places at which a test lets this process die, stop or fail. Off unless the environment says otherwise.

``UMBEL_FAILPOINTS="after_exec_before_commit=kill@3, before_delay_settle=raise"`` is read once, when this module is imported. Each item is
``site=action``, then optionally ``@N`` (the N-th time that a process comes by, default 1) and ``*T`` (so often in all, default 1). Actions:

- ``kill``: SIGKILL to this process
- ``exit``: end it at once with status 70
- ``stop``: SIGSTOP; the test sends SIGCONT
- ``raise``: raise `FailpointError`
- ``sleep:S``: block for S seconds

``UMBEL_FAILPOINTS_FOLDER`` names a folder in which each firing leaves a file ``<site>.<number>`` with the process id: the proof that the
fault took place, and what makes ``*T`` hold over all processes. Without it each process counts for itself.

A call site reads ``if ARMED: hit("name")``: one look at a module's global, and nothing else where it is off.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from umbel.errors import ImproperlyConfigured

#: Every place there is, by the process that comes by.
SITES: Final = frozenset(
    {
        # child
        "before_exec",
        "after_exec_before_commit",
        "after_commit_before_report",
        # consumer process
        "after_fetch_before_register",
        "after_report_before_ack",
        "before_delay_settle",
        "before_dead_letter_settle",
        "during_shutdown_handback",
        # publisher
        "after_write_before_confirm",
    }
)
_ACTIONS: Final = frozenset({"kill", "exit", "stop", "raise", "sleep"})


class FailpointError(RuntimeError):
    """The action of a failpoint was to raise."""


@dataclass(slots=True, kw_only=True)
class Failpoint:
    """The action at one place, and the passes at which it is done."""

    site: str
    action: str
    #: Seconds of ``sleep``.
    seconds: float = 0.0
    #: The pass at which it fires, counted from 1.
    at: int = 1
    #: Firings that are left.
    times: int = 1
    passes: int = 0


def parse(text: str) -> dict[str, Failpoint]:
    """Parse ``text``, the variable's value.

    Raises:
        ImproperlyConfigured: it names no such site or action, or is not of the form above.
    """
    found: dict[str, Failpoint] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        site, _, what = item.partition("=")
        what, _, times = what.partition("*")
        what, _, at = what.partition("@")
        action, _, seconds = what.partition(":")
        if site not in SITES or action not in _ACTIONS:
            raise ImproperlyConfigured(
                f"{item!r} in UMBEL_FAILPOINTS: expected site=action@N*T with a site of {', '.join(sorted(SITES))} "
                f"and an action of {', '.join(sorted(_ACTIONS))}"
            )
        try:
            found[site] = Failpoint(site=site, action=action, seconds=float(seconds or 0), at=int(at or 1), times=int(times or 1))
        except ValueError as error:
            raise ImproperlyConfigured(f"{item!r} in UMBEL_FAILPOINTS: {error}") from error
    return found


#: The sites that are on in this process.
ARMED: Final[Mapping[str, Failpoint]] = parse(os.environ.get("UMBEL_FAILPOINTS", ""))
_FOLDER: Final = os.environ.get("UMBEL_FAILPOINTS_FOLDER", "")


def hit(site: str) -> None:
    """Pass by a ``site``; called only where something is armed."""
    point = ARMED.get(site)
    if point is not None:
        fire(point, _FOLDER)


def fire(point: Failpoint, folder: str = "") -> None:
    """Count a pass by ``point``, and act when it is the one; ``folder`` is where firings leave their files."""
    point.passes += 1
    if point.passes < point.at or point.times <= 0:
        return
    point.passes = 0
    if not _leave_mark(point, folder):
        point.times = 0
        return
    match point.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(70)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(point.seconds)
        case _:
            raise FailpointError(f"failpoint {point.site}")


def _leave_mark(point: Failpoint, folder: str) -> bool:
    """Take one of the firings there are; false when all are taken."""
    if not folder:
        point.times -= 1
        return True
    for number in range(1, point.times + 1):
        try:
            file = os.open(Path(folder, f"{point.site}.{number}"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            continue
        os.write(file, str(os.getpid()).encode())
        os.close(file)
        return True
    return False
