"""``umbel list bindings``: which messages reach which queues."""

from __future__ import annotations

import contextlib

import click

from umbel.brokers.topology import Queue
from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, Group, json_option
from umbel.cli.output import Output


@click.group(cls=Group)
def command() -> None:
    """List what is at the broker."""


@command.command("bindings", cls=Command, short_help="List the bindings of the app's queues.")
@json_option
@click.pass_context
def bindings(context: click.Context, as_json: bool) -> None:
    """List the bindings of the app's queues: exchange, routing key, and the queue that such messages reach.

    A broker does not list bindings to its clients; these are the ones that the app declares. THERE says whether the broker has the queue.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        there = {queue.name: client.length(queue.name) is not None for queue in loaded.app.queues.consume_from}
    rows = [(*row, there[queue.name]) for queue in loaded.app.queues.consume_from for row in rows_of(queue)]
    if as_json:
        names = ("exchange", "type", "routing_key", "queue", "there")
        output.data([dict(zip(names, row, strict=True)) for row in rows])
        return
    output.columns(["EXCHANGE", "TYPE", "ROUTING KEY", "QUEUE", "THERE"], [(*row[:4], "yes" if row[4] else "not yet") for row in rows])


def rows_of(queue: Queue) -> list[tuple[str, str, str, str]]:
    """Return exchange, its type, routing key and queue of each binding of a ``queue``."""
    return [(each.exchange.name, each.exchange.type, each.routing_key, queue.name) for each in queue.resolved().all_bindings()]
