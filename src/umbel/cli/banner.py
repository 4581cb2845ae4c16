"""The banner of a worker that starts: an umbel, and on its stalk the facts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from umbel._version import __version__
from umbel.cli.output import Output, width
from umbel.runtime.logs import escape

_ROOM = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts in the banner."""

    node: str
    app: str
    broker: str
    results: str
    pool: str
    queues: Sequence[str]
    tasks: Sequence[str]


def render(facts: Facts, output: Output) -> str:
    """Render ``facts`` as the banner, coloured where ``output`` is."""
    fine = _can_draw()
    florets, stalk = ("∘ ∘∘∘ ∘", "│") if fine else ("o ooo o", "|")
    rays = " ╲╲│╱╱ " if fine else " \\\\|// "
    bloom = {"fg": "green", "bold": True}
    head = output.paint("umbel", bold=True) + output.paint(f" {__version__}", dim=True)
    lines = [
        f" {output.paint(florets, **bloom)}   {head}",
        f" {output.paint(rays, fg='green')}   {escape(facts.node)}",
        f"    {output.paint(stalk, fg='green')}",
    ]
    rows = [
        ("app", [escape(facts.app)]),
        ("broker", [escape(facts.broker)]),
        ("results", [escape(facts.results)]),
        ("pool", [facts.pool]),
        ("queues", flowed(facts.queues)),
        ("tasks", flowed(facts.tasks) or ["none: is the module that defines them imported?"]),
    ]
    for name, texts in rows:
        for index, text in enumerate(texts):
            label = output.paint((name if index == 0 else "").ljust(8), dim=True)
            lines.append(f"    {output.paint(stalk, fg='green')}      {label} {text}".rstrip())
    return "\n".join(["", *lines, ""])


def flowed(names: Sequence[str], most: int = 5) -> list[str]:
    """Write ``names``, separated by commas, on as many lines as they need, up to ``most``."""
    lines: list[str] = []
    line = ""
    for position, name in enumerate(names):
        item = escape(name) + ("," if position < len(names) - 1 else "")
        if line and width(line) + width(item) + 1 > _ROOM - 20:
            lines.append(line)
            line = ""
            if len(lines) == most:
                return [*lines[:-1], f"{lines[-1]} … and {len(names) - position} more"]
        line = f"{line} {item}".strip()
    return [*lines, line] if line else lines


def _can_draw() -> bool:
    try:
        "∘╲│╱".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
