"""``umbel migrate``: carry messages from one broker to another."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import click

from umbel.app.connections import broker_options
from umbel.brokers.base import Broker, Delivery, Publisher, QueueClient
from umbel.brokers.registry import connect
from umbel.brokers.topology import Destination, Queue
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Misuse, Number, WholeNumber, json_option, names_list, not_empty
from umbel.cli.output import Output, count
from umbel.cli.queues.contents import copied
from umbel.cli.shell_completion import complete_queues, complete_tasks

#: Messages that are copied in one go; and seconds between two looks at queues that were empty.
_AT_ONCE: Final = 200
_PAUSE: Final = 0.1


@click.command(
    cls=Command,
    examples=(
        ("umbel migrate redis://old amqp://new -a", "move what waits in the queue celery"),
        ("umbel -A shop migrate redis://old amqp://new -Q mail,slow:fast -a -F", "two queues, one under another name, for ever"),
    ),
)
@click.argument("source", callback=not_empty)
@click.argument("destination", callback=not_empty)
@click.option("-n", "--limit", type=WholeNumber(min=1), metavar="N", help="At most this many messages.")
@click.option("-t", "--timeout", type=Number(min=0), default=1.0, show_default=True, metavar="SECONDS", help="Wait so long for more.")
@click.option("-a", "--ack-messages", is_flag=True, help="Remove from SOURCE what has been copied.")
@click.option("-T", "--tasks", multiple=True, callback=names_list, metavar="NAMES", shell_complete=complete_tasks, help="Only these tasks.")
@click.option(
    "-Q", "--queues", multiple=True, callback=names_list, metavar="NAMES", shell_complete=complete_queues,
    help="These queues, e.g. -Q fast,slow; old:new gives one another name. Default: the app's.",
)  # fmt: skip
@click.option("-F", "--forever", is_flag=True, help="Go on until Ctrl-C.")
@json_option
@click.pass_context
def command(  # noqa: PLR0913 - the options
    context: click.Context,
    *,
    source: str,
    destination: str,
    limit: int | None,
    timeout: float,
    ack_messages: bool,
    tasks: tuple[str, ...],
    queues: tuple[str, ...],
    forever: bool,
    as_json: bool,
) -> None:
    """Copy the messages that wait at the broker SOURCE to the broker DESTINATION, each of them a URL.

    They stay at SOURCE, in their order, unless -a is given. A message is removed there when DESTINATION has confirmed it: a crash between the two doubles a few.
    What workers hold, and what waits for its time, is not seen.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    if source == destination:
        raise Misuse("SOURCE and DESTINATION are the same broker.")
    pairs = pairs_of(loaded, queues)
    moving = Moving(pairs, tasks=frozenset(tasks), limit=limit, remove=ack_messages)
    with _opened(loaded, source) as old, _opened(loaded, destination) as new, contextlib.closing(old.queue_client()) as client:
        total = sum(client.length(name) or 0 for name, _ in pairs)
        with _bar(output, total if limit is None else min(limit, total)) as show, contextlib.suppress(KeyboardInterrupt):
            moving.run(client, new.publisher(), show, timeout=None if forever else timeout)
    if as_json:
        output.data({"copied": moving.copied, "removed": moving.removed})
    else:
        what = "Moved" if ack_messages else "Copied"
        output.line(f"{what} {count(moving.copied, 'message')} to {new.public_url()}.")


class Moving:
    """One run.

    Args:
        pairs: queues: the name there, and the queue here.
        tasks: names of tasks whose messages are taken; all when empty.
        limit: messages, at most.
        remove: take them away where they were.
    """

    def __init__(self, pairs: Sequence[tuple[str, Queue]], *, tasks: frozenset[str], limit: int | None, remove: bool) -> None:
        self._pairs = pairs
        self._tasks = tasks
        self._limit = limit
        self._remove = remove
        self.copied = self.removed = 0

    def run(self, client: QueueClient, publisher: Publisher, show: Callable[[int], None], *, timeout: float | None) -> None:
        """Copy until nothing more comes.

        Args:
            client: of the old broker.
            publisher: of the new one.
            show: told how many have been copied.
            timeout: seconds without a message after which it ends; ``None`` is never.
        """
        last = time.monotonic()
        while not self._is_full():
            found = sum(self._some(client, publisher, name, queue) for name, queue in self._pairs)
            show(self.copied)
            now = time.monotonic()
            if found:
                last = now
            elif timeout is not None and now - last >= timeout:
                return
            else:
                time.sleep(_PAUSE)

    def _is_full(self) -> bool:
        return self._limit is not None and self.copied >= self._limit

    def _some(self, client: QueueClient, publisher: Publisher, name: str, queue: Queue) -> int:
        """Copy some messages of one queue; returns how many were looked at."""
        taken: list[Delivery] = []
        looked = 0
        while len(taken) < _AT_ONCE and (self._limit is None or self.copied + len(taken) < self._limit):
            delivery = client.get(name)
            if delivery is None:
                break
            looked += 1
            if not self._tasks or delivery.headers.get("task") in self._tasks:
                taken.append(delivery)
        if taken:
            publisher.publish_many([(copied(delivery), Destination.of(queue)) for delivery in taken], confirm=True)
            self.copied += len(taken)
            if self._remove:
                self.removed += sum(client.ack(delivery) for delivery in taken)
        return looked


def pairs_of(loaded: LoadedApp, names: Sequence[str]) -> list[tuple[str, Queue]]:
    """Read what ``-Q`` says.

    Args:
        loaded: the app; its own queues are taken where no names are given.
        names: of queues, or ``old:new``.

    Raises:
        Misuse: a name is empty.
    """
    if not names:
        return [(queue.name, queue) for queue in loaded.app.queues.consume_from if not queue.is_broadcast]
    found = []
    for text in names:
        old, _, new = text.partition(":")
        if not old or (":" in text and not new):
            raise Misuse(f"-Q {text}: expected a queue's name, or old:new.")
        found.append((old, loaded.queue(new or old)))
    return found


@contextlib.contextmanager
def _opened(loaded: LoadedApp, url: str) -> Iterator[Broker]:
    broker = connect(broker_options(loaded.app.conf, url=url))
    try:
        yield broker
    finally:
        broker.close()


@contextlib.contextmanager
def _bar(output: Output, total: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar on stderr, where that is a terminal."""
    if output.as_json or output.quiet or not sys.stderr.isatty():
        yield lambda _copied: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, no_color=not output.color), transient=True) as bars:
        bar = bars.add_task("messages", total=total)
        yield lambda done: bars.update(bar, completed=done, total=max(total, done))
