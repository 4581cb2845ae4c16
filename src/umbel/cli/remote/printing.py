"""Printing of workers' replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel.cli.output import Output, count
from umbel.cli.remote.tables import TABLES, rows_of, sentence
from umbel.runtime.clock import SYSTEM
from umbel.runtime.logs import escape


def show(output: Output, name: str, replies: Sequence[dict[str, Any]]) -> None:
    """Print what workers have replied to a command: a table where there is one for it, the errors of nodes below.

    Args:
        output: of the command line.
        name: of the command.
        replies: not none.
    """
    by_node = sorted((node, reply) for each in replies for node, reply in each.items())
    rows, others = [], []
    for node, reply in by_node:
        found = None if _is_error(reply) else rows_of(name, reply, SYSTEM.now())
        if found is None:
            others.append((node, reply))
        else:
            rows += [(node, *row) for row in found]
    if rows:
        output.columns(["NODE", *TABLES[name].titles], rows, wrap=name in {"stats", "conf"})
    texts = [(node, *sentence(reply)) for node, reply in others]
    if any("\n" in text for *_, text in texts):
        for node, is_ok, text in texts:
            output.line(_node(output, node, is_ok=is_ok))
            for line in text.strip("\n").splitlines():
                output.line(f"    {escape(line)}")
    elif texts:
        output.columns(["NODE", "REPLY"], [(node, text if is_ok else f"error: {text}") for node, is_ok, text in texts], wrap=True)
    if not rows and not others:
        output.line("Nothing.")
    output.remark(f"{count(len(by_node), 'worker')} replied.")


def _node(output: Output, node: str, *, is_ok: bool) -> str:
    return output.paint(escape(node), bold=True) + ("" if is_ok else output.paint(": error", fg="red"))


def _is_error(reply: Any) -> bool:
    return isinstance(reply, dict) and set(reply) == {"error"}
