"""``umbel queues``: show how many messages wait in each queue."""

from __future__ import annotations

import contextlib

import click

from umbel.brokers.base import DEAD_SUFFIX
from umbel.cli.loading import load
from umbel.cli.options import GlobalOptions, Group, json_option
from umbel.cli.output import Output
from umbel.cli.shell_completion import queues_option


@click.group(cls=Group, invoke_without_command=True)
@queues_option()
@json_option
@click.pass_context
def command(context: click.Context, queues: tuple[str, ...], as_json: bool) -> None:
    """Show how many messages wait in each queue.

    READY: a worker may take them now. DELAYED: they wait for their time. DEAD: dead letters (see umbel dead). A dash: there is no such
    queue yet, or the broker cannot count them.
    """
    if context.invoked_subcommand is not None:
        return
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        names = loaded.check_queues(client, queues)
        rows = [(name, client.length(name), client.delayed(name), client.length(name + DEAD_SUFFIX) or 0) for name in names]
    if as_json:
        output.data([{"queue": name, "ready": ready, "delayed": delayed, "dead": dead} for name, ready, delayed, dead in rows])
        return
    output.columns(["QUEUE", "READY", "DELAYED", "DEAD"], [(name, *map(_number, rest)) for name, *rest in rows], right=frozenset({1, 2, 3}))
    if any(dead for *_, dead in rows):
        output.remark("Dead letters: umbel dead list")


@command.command("release-delayed", short_help="Give delayed messages back, for Celery's workers.")
@queues_option()
@json_option
@click.pass_context
def release_delayed(context: click.Context, queues: tuple[str, ...], as_json: bool) -> None:
    """Give delayed messages back to their queues, with their eta, for Celery's workers.

    On Redis a worker keeps what waits for its time (eta, countdown, retry) where Celery's workers do not look. Stop the workers first: they would
    put it aside again. RabbitMQ's delayed messages are in Celery's own form and need nothing.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        rows = [(name, client.release_delayed(name)) for name in loaded.check_queues(client, queues)]
    if as_json:
        output.data([{"queue": name, "released": count} for name, count in rows])
        return
    output.columns(["QUEUE", "RELEASED"], [(name, _number(count)) for name, count in rows], right=frozenset({1}))


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"
