"""``umbel amqp``: single operations on a broker, on the command line or in a small shell, by the names of AMQP's methods."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from umbel.brokers.base import Delivery, QueueClient
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Misuse, did_you_mean
from umbel.cli.output import Output, as_json, count
from umbel.errors import UmbelError
from umbel.runtime.logs import escape
from umbel.wire.message import Message

_TYPES: Final = ("direct", "topic", "fanout", "headers")


class Session:
    """The broker, and the messages that are held, of one command line or shell.

    Args:
        loaded: the app.
        client: of its broker.
        output: to print on.
    """

    def __init__(self, loaded: LoadedApp, client: QueueClient, output: Output) -> None:
        self._loaded = loaded
        self._client = client
        self._output = output
        self._held: dict[int, Delivery] = {}
        self._number = 0

    def run(self, name: str, words: list[str]) -> None:
        """Run one operation.

        Args:
            name: of the operation.
            words: its arguments.

        Raises:
            Misuse: there is none of this name, or the words do not fit.
        """
        if name not in OPERATIONS:
            known = [*OPERATIONS]
            raise Misuse(f"There is no operation {name!r}. {did_you_mean(name, known) or 'There are: ' + ', '.join(known) + '.'}")
        work, usage, _ = OPERATIONS[name]
        least = sum(not word.startswith("[") for word in usage.split())
        if not least <= len(words) <= len(usage.split()):
            raise Misuse(f"Usage: {name} {usage}")
        work(self, *words)

    def declare(self, queue: str) -> None:
        """Make a ``queue``."""
        self._client.declare(self._loaded.queue(queue))
        self._output.line(f"ok: {queue} has {count(self._client.length(queue) or 0, 'message')}.")

    def bind(self, queue: str, exchange: str, key: str, kind: str = "direct") -> None:
        """Bind a ``queue`` to an ``exchange`` of a ``kind`` by a ``key``; both are made."""
        if kind not in _TYPES:
            raise Misuse(f"TYPE is one of {', '.join(_TYPES)}, got {kind!r}.")
        self._client.declare(Queue(queue, Exchange(exchange, kind), key))
        self._output.line("ok")

    def delete(self, queue: str) -> None:
        """Remove a ``queue``."""
        found = self._client.length(queue)
        self._client.delete(queue)
        self._output.line(f"There is no queue {queue}." if found is None else f"ok: {count(found, 'message')} with it.")

    def purge(self, queue: str) -> None:
        """Drop the messages that wait in a ``queue``."""
        self._output.line(f"ok: {count(self._client.purge(queue), 'message')} dropped.")

    def publish(self, body: str, exchange: str, key: str) -> None:
        """Send a text, the ``body``, to an ``exchange`` with a routing ``key``."""
        message = Message(body.encode(), {}, "text/plain")
        self._loaded.app.publisher.publish(message, Destination(exchange, key), confirm=True)
        self._output.line("ok")

    def get(self, queue: str) -> None:
        """Take a message of a ``queue``."""
        delivery = self._client.get(queue)
        if delivery is None:
            self._output.line(f"No message waits in {queue}.")
            return
        self._number += 1
        self._held[self._number] = delivery
        found: dict[str, Any] = {
            "tag": self._number,
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
            "redelivered": delivery.redelivered,
            "content_type": delivery.content_type,
            "headers": delivery.headers,
            "properties": delivery.properties,
            "body": delivery.body.decode("utf-8", "backslashreplace"),
        }
        self._output.line(as_json(found))

    def ack(self, tag: str) -> None:
        """Drop the message that was taken under a ``tag``."""
        delivery = self._held.pop(int(tag), None) if tag.isdecimal() else None
        if delivery is None:
            raise Misuse(f"No message with the tag {tag!r} is held here: basic.get comes before, in the same shell.")
        self._output.line("ok" if self._client.ack(delivery) else "It is no longer ours: it went back to its queue.")


#: Name → (what it does, its arguments, in words).
OPERATIONS: Final[Mapping[str, tuple[Callable[..., None], str, str]]] = {
    "queue.declare": (Session.declare, "QUEUE", "Make a queue, as the app says or a plain one; tell its length."),
    "queue.bind": (Session.bind, "QUEUE EXCHANGE KEY [TYPE]", "Bind a queue to an exchange; both are made."),
    "queue.delete": (Session.delete, "QUEUE", "Remove a queue and what is in it."),
    "queue.purge": (Session.purge, "QUEUE", "Drop the messages that wait."),
    "basic.publish": (Session.publish, "BODY EXCHANGE KEY", "Send a text; '' is the default exchange, whose key is a queue's name."),
    "basic.get": (Session.get, "QUEUE", "Take a message; it goes back at the end, unless it is acknowledged."),
    "basic.ack": (Session.ack, "TAG", "Drop a message that basic.get has taken in this shell."),
}


class _Operations(Command):
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Operations"):
            formatter.write_dl([(f"{name} {usage}", text) for name, (_, usage, text) in OPERATIONS.items()])
        super().format_options(ctx, formatter)


@click.command(cls=_Operations, context_settings={"ignore_unknown_options": True})
@click.argument("operation", required=False)
@click.argument("words", nargs=-1)
@click.pass_context
def command(context: click.Context, operation: str | None, words: tuple[str, ...]) -> None:
    """Do one operation on the app's broker, whichever it is; without one, read operations line by line, until exit.

    Not there: exchange.declare and exchange.delete; exchanges come with queue.bind.
    """
    output = Output.of(context)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        session = Session(loaded, client, output)
        if operation is not None:
            session.run(operation, [*words])
            return
        output.remark(f"{loaded.app.broker.public_url()}: {', '.join(OPERATIONS)}, exit.")
        while (line := _line()) is not None:
            try:
                name, *rest = shlex.split(line) or [""]
                if name in ("exit", "quit"):
                    return
                if name:
                    session.run(name, rest)
            except (ValueError, UmbelError, click.ClickException) as error:
                text = error.format_message() if isinstance(error, click.ClickException) else str(error)
                click.echo(f"Error: {escape(text)}", err=True)


def _line() -> str | None:
    """Read a line; ``None`` at the end of the input."""
    if sys.stdin.isatty():
        click.echo("> ", nl=False, err=True)
    return sys.stdin.readline() or None
