"""``umbel queues peek`` and ``move``: look at messages that wait, and put them into another queue."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import click

from umbel.brokers.base import DEAD_SUFFIX, Delivery, Publisher, QueueClient
from umbel.brokers.topology import Destination
from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, Misuse, WholeNumber, json_option
from umbel.cli.output import Output, ago, count
from umbel.cli.shell_completion import complete_queues, complete_tasks
from umbel.messages.ids import waits_since
from umbel.messages.v2 import BROKER_PREFIXES
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message

#: Messages that are moved in one go.
_AT_ONCE: Final = 200


@click.command("peek", cls=Command, short_help="Look at the first messages of a queue; they stay there.")
@click.argument("name", shell_complete=complete_queues)
@click.option("-n", "--limit", type=WholeNumber(min=1, max=10_000), default=10, show_default=True, metavar="N", help="At most this many.")
@json_option
@click.pass_context
def peek(context: click.Context, name: str, limit: int, as_json: bool) -> None:
    """Look at the first messages of the queue NAME, the next one first. They stay there, in their order, and no attempt is counted.

    RabbitMQ must deliver a message to show it: it says after that that it is redelivered, and a quorum queue counts it (x-delivery-limit).
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        _check(loaded, client, name)
        total = client.length(name) or 0
        found = client.peek(name, limit)
    if as_json:
        output.data([document(delivery) for delivery in found])
    elif not found:
        output.line(f"No message waits in {name}.")
    else:
        output.columns(["ID", "TASK", "AGE", "PRIORITY", "ARGUMENTS"], [_row(delivery) for delivery in found], right=frozenset({2, 3}))
        if len(found) < total:
            output.remark(f"{len(found):,} of {count(total, 'message')}.")


@click.command("move", cls=Command, short_help="Move messages that wait to another queue.")
@click.argument("source", shell_complete=complete_queues)
@click.argument("target", shell_complete=complete_queues)
@click.option("--limit", type=WholeNumber(min=1), metavar="N", help="At most this many.")
@click.option("--task", metavar="NAME", shell_complete=complete_tasks, help="Only those of this task.")
@json_option
@click.pass_context
def move(context: click.Context, source: str, target: str, limit: int | None, task: str | None, as_json: bool) -> None:
    """Move the messages that wait in the queue SOURCE to the queue TARGET, in their order.

    Each leaves SOURCE when the broker has it in TARGET: where this command is killed, a few may be in both. What comes to SOURCE meanwhile, what
    waits for its time, and what workers hold stays.
    """
    output = Output.of(context, as_json=as_json)
    if source == target:
        raise Misuse(f"The messages of {source} are there already: name another queue.")
    loaded = load(GlobalOptions.of(context))
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        _check(loaded, client, source)
        _check(loaded, client, target)
        to = Destination("", target, None if client.length(target) is not None else loaded.queue(target))
        moved, kept = move_all(client, loaded.app.connections.relay(anew=False), source, to, limit=limit, task=task)
    if as_json:
        output.data({"source": source, "target": target, "moved": moved})
    else:
        output.line(f"Moved {count(moved, 'message')} from {source} to {target}.")
    if kept:
        raise click.ClickException(f"{count(kept, 'message')} of these may still be in {source}, too: the broker gave them back meanwhile.")


def move_all(
    client: QueueClient, publisher: Publisher, source: str, to: Destination, *, limit: int | None, task: str | None
) -> tuple[int, int]:
    """Move messages; what is not wanted is held until the client is closed, and then back in its place.

    Args:
        client: takes them.
        publisher: puts them into their new place.
        source: name of their queue.
        to: the new place.
        limit: messages to move, at most.
        task: name of the task whose messages are moved; all when ``None``.

    Returns:
        How many were moved, and how many of these may be in the old place, too.
    """
    left, moved, kept = client.length(source) or 0, 0, 0
    while left > 0 and (limit is None or moved < limit):
        taken: list[Delivery] = []
        while left > 0 and len(taken) < _AT_ONCE and (limit is None or moved + len(taken) < limit):
            delivery = client.get(source)
            if delivery is None:
                left = 0
                break
            left -= 1
            if task is None or delivery.headers.get("task") == task:
                taken.append(delivery)
        publisher.publish_many([(copied(delivery), to) for delivery in taken], confirm=True)
        kept += sum(not client.ack(delivery) for delivery in taken)
        moved += len(taken)
    return moved, kept


def copied(delivery: Delivery) -> Message:
    """Return the message of a ``delivery``, to be sent again: without what a broker says of the delivery."""
    headers = {name: value for name, value in delivery.headers.items() if not name.startswith(BROKER_PREFIXES)}
    return Message(delivery.body, headers, delivery.content_type, delivery.content_encoding, dict(delivery.properties))


def _check(loaded: Any, client: QueueClient, name: str) -> None:
    """Refuse a queue that neither the app nor the broker knows; dead letters are a queue, too."""
    if not name.endswith(DEAD_SUFFIX) or client.length(name) is None:
        loaded.check_queues(client, (name,))


def _age(delivery: Delivery) -> float | None:
    since = waits_since(delivery)
    return None if since is None else max(0.0, SYSTEM.now() - since)


def _row(delivery: Delivery) -> tuple[object, ...]:
    headers, age = delivery.headers, _age(delivery)
    arguments = ", ".join(
        str(headers.get(name)) for name in ("argsrepr", "kwargsrepr") if headers.get(name) not in (None, "()", "{}", "[]")
    )
    priority = delivery.properties.get("priority")
    return headers.get("id"), headers.get("task"), None if age is None else ago(age), priority, arguments or None


def document(delivery: Delivery) -> dict[str, Any]:
    """Write a message for programs.

    Args:
        delivery: as `umbel.brokers.base.QueueClient.peek` returns it.
    """
    age = _age(delivery)
    return {
        "id": delivery.headers.get("id"),
        "task": delivery.headers.get("task"),
        "age": None if age is None else round(age, 3),
        "priority": delivery.properties.get("priority"),
        "redelivered": delivery.redelivered,
        "flaw": delivery.flaw,
        "headers": delivery.headers,
        "content_type": delivery.content_type,
        "body": delivery.body.decode("utf-8", "backslashreplace"),
    }
