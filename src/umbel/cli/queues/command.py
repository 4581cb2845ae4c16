"""``umbel queues``: show how many messages wait in each queue, and since when; pause queues, look into them, move messages."""

from __future__ import annotations

import contextlib

import click

from umbel.cli.loading import load
from umbel.cli.options import GlobalOptions, Group, Misuse, json_option
from umbel.cli.output import Output
from umbel.cli.queues import figures
from umbel.cli.queues.contents import move, peek
from umbel.cli.queues.figures import number
from umbel.cli.queues.pausing import pause, resume
from umbel.cli.queues.watching import watch
from umbel.cli.shell_completion import queues_option


@click.group(cls=Group, invoke_without_command=True)
@queues_option()
@click.option("--oldest", is_flag=True, help="Also on RabbitMQ, say how long the first message has waited. It is redelivered after that.")
@click.option("-w", "--watch", "watching", is_flag=True, help="Show it again every second; q ends. With --json, a line each time.")
@json_option
@click.pass_context
def command(context: click.Context, queues: tuple[str, ...], oldest: bool, watching: bool, as_json: bool) -> None:
    """Show how many messages wait in each queue.

    READY: a worker may take them now. DELAYED: they wait for their time. DEAD: dead letters (see umbel dead). OLDEST: how long the
    next message has waited, as its task id tells. A dash: there is no such queue yet, or the broker cannot tell.
    """
    if context.invoked_subcommand is not None:
        return
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    peeks = loaded.app.broker.capabilities.peeks
    if oldest and watching and not peeks:
        raise Misuse("--oldest would have RabbitMQ deliver the first message every second: leave it out, or leave out --watch.")
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        names = loaded.check_queues(client, queues)
        if watching:
            watch(output, lambda: figures.read(client, names, oldest=peeks))
            return
        rows = figures.read(client, names, oldest=oldest or peeks)
    if as_json:
        output.data([row.document() for row in rows])
        return
    output.columns(figures.TITLES, [row.cells() for row in rows], right=figures.RIGHT)
    if any(row.dead for row in rows):
        output.remark("Dead letters: umbel dead list")


for each in (pause, resume, peek, move):
    command.add_command(each)


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
    output.columns(["QUEUE", "RELEASED"], [(name, number(count)) for name, count in rows], right=frozenset({1}))
