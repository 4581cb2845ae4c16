"""``umbel status``: show which workers are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, Number, json_option
from umbel.cli.output import Output, ago, count
from umbel.cli.remote import asking


@click.command(cls=Command)
@click.option("-t", "--timeout", type=Number(min=0, min_open=True), metavar="SECONDS", help="Wait so long for replies. Default: 1.")
@asking.destination_option
@json_option
@click.pass_context
def command(context: click.Context, timeout: float | None, destination: tuple[str, ...], as_json: bool) -> None:
    """Show which workers are there, for how long, and how much they have done.

    Exit code 69: there is none. A dash: the worker does not say.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    method = "ping" if as_json else "stats"
    replies = loaded.app.control.broadcast(method, destination=list(destination) or None, reply=True, timeout=timeout or 1.0)
    by_node = {node: reply for each in replies for node, reply in each.items()}
    if not by_node:
        asking.nobody(timeout, destination)
    if as_json:
        output.data(by_node)
        return
    titles = ["NODE", "STATUS", "UP", "SLOTS", "TASKS RUN", "PROCESS"]
    output.columns(titles, [_row(node, reply) for node, reply in sorted(by_node.items())], right=frozenset({2, 3, 4, 5}))
    output.remark(f"{count(len(by_node), 'worker')} online.")


def _row(node: str, reply: Any) -> tuple[object, ...]:
    stats: Mapping[str, Any] = reply if isinstance(reply, Mapping) else {}
    pool, total = stats.get("pool"), stats.get("total")
    uptime = stats.get("uptime")
    return (
        node,
        "OK",
        ago(uptime) if isinstance(uptime, (int, float)) else None,
        pool.get("max-concurrency") if isinstance(pool, Mapping) else None,
        f"{sum(each for each in total.values() if isinstance(each, int)):,}" if isinstance(total, Mapping) else None,
        stats.get("pid"),
    )
