"""``umbel dead``: look at dead letters, send them again, drop them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import click

from umbel.brokers.base import DEAD_DETAIL, DEAD_REASON, DEAD_SUFFIX, QueueClient
from umbel.brokers.topology import Destination
from umbel.cli.dead_letters import DeadLetter, Selection, read, replayed
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import GlobalOptions, Group, Misuse, WholeNumber, json_option
from umbel.cli.output import Output, ago, as_json, confirm, count
from umbel.cli.shell_completion import queues_option
from umbel.results.model import sent
from umbel.runtime.logs import escape

_SHOWN_BYTES = 2000
_LISTED = 100
#: Why a letter that was read is still there.
_OVER = "the time for which this command may hold it was over, and it went back"


@click.group(cls=Group)
def command() -> None:
    """List dead letters, send them again or drop them.

    A message becomes a dead letter when it cannot be run: its task is unknown, it cannot be decoded, or the processes that ran it died too often.
    """


def selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``function`` with the options that narrow dead letters down; it gets them as one `Selection`."""

    @functools.wraps(function)
    def wrapper(*, queues: tuple[str, ...], reason: str | None, task: str | None, limit: int | None, **rest: Any) -> Any:
        ids = frozenset(rest.pop("task_ids", ()))
        return function(chosen=Selection(queues=queues, ids=ids, task=task, reason=reason, limit=limit), **rest)

    decorated: Callable[..., Any] = wrapper
    for option in (
        click.option("--limit", type=WholeNumber(min=1), metavar="N", help="At most this many."),
        click.option("--task", metavar="NAME", help="Only those of this task."),
        click.option("--reason", metavar="WORD", help="Only those with this reason, e.g. time_limit."),
        queues_option(),
    ):
        decorated = option(decorated)
    return decorated


@command.command("list", short_help="List dead letters, oldest first.")
@selection
@json_option
@click.pass_context
def list_command(context: click.Context, *, chosen: Selection, as_json: bool) -> None:
    """List dead letters, oldest first (100 of each queue unless --limit says otherwise)."""
    output = Output.of(context, as_json=as_json)
    with _opened(context, chosen) as (loaded, client, names):
        total = sum(client.length(name + DEAD_SUFFIX) or 0 for name in names)
        found = [letter for name in names for letter in read(client, name, most=chosen.limit or _LISTED) if chosen.takes(letter)]
        where = loaded.app.broker.public_url()
    if as_json:
        output.data([letter.document() for letter in found])
    elif not total:
        output.line(f"No dead letters in {', '.join(names)} at {where}.")
    elif not found:
        output.line(f"None of {count(total, 'dead letter')} is of this kind.")
    else:
        output.columns(["ID", "TASK", "QUEUE", "AGE", "REASON", "DETAIL"], [_row(letter) for letter in found])
        if len(found) < total:
            output.remark(f"{len(found):,} of {count(total, 'dead letter')}.")


def _row(letter: DeadLetter) -> tuple[str | None, ...]:
    age = letter.age
    return letter.id or None, letter.task or None, letter.queue, None if age is None else ago(age), letter.reason, letter.detail


@command.command("show", short_help="Show one dead letter: its reason, headers and body.")
@click.argument("task_id")
@queues_option()
@json_option
@click.pass_context
def show_command(context: click.Context, task_id: str, queues: tuple[str, ...], as_json: bool) -> None:
    """Show the dead letter TASK_ID: its reason, headers and body."""
    output = Output.of(context, as_json=as_json)
    with _opened(context, Selection(queues=queues)) as (_, client, names):
        letter = next((letter for name in names for letter in read(client, name) if letter.id == task_id), None)
    if letter is None:
        raise click.ClickException(f"No dead letter {task_id} in {', '.join(names)}.")
    if as_json:
        output.data(letter.document(body=True))
        return
    facts = [("task", letter.task), ("id", letter.id), ("queue", letter.queue), ("reason", letter.reason), ("detail", letter.detail)]
    facts += [
        (name, _plain(value)) for name, value in letter.delivery.headers.items() if name not in ("task", "id", DEAD_REASON, DEAD_DETAIL)
    ]
    longest = max(len(name) for name, _ in facts)
    for name, value in facts:
        output.line(f"{output.paint(escape(name).ljust(longest), dim=True)}  {escape(value)}")
    body = letter.delivery.body
    output.line(output.paint(f"\nbody, {letter.delivery.content_type}, {count(len(body), 'byte')}:", dim=True))
    output.line(escape(body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")) + ("…" if len(body) > _SHOWN_BYTES else ""))


@command.command("replay", short_help="Send dead letters to their queues again.")
@click.argument("task_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@selection
@json_option
@click.pass_context
def replay_command(context: click.Context, *, chosen: Selection, everything: bool, as_json: bool) -> None:
    """Send dead letters to their queues again, as if they had never been tried.

    The failure that was stored for each is forgotten first. A letter leaves the dead letters only when the broker has confirmed its copy.
    """
    output = Output.of(context, as_json=as_json)
    _require_choice(chosen, everything=everything, verb="replay")
    done, kept = [], 0
    with _opened(context, chosen) as (loaded, client, names):
        for letter in chosen.among(client, names):
            kept += not replay(loaded, client, letter)
            done.append(letter)
    _report(output, done, "Sent again", chosen)
    if kept:
        raise click.ClickException(f"{count(kept, 'dead letter')} of these {_is(kept)} still there, too: {_OVER}.")


def replay(loaded: LoadedApp, client: QueueClient, letter: DeadLetter) -> bool:
    """Forget the stored failure, publish the message to its queue, and only then drop the dead letter; returns whether that is gone.

    Args:
        loaded: the app.
        client: from which the letter was read.
        letter: to be sent again.
    """
    store = loaded.app.store
    if store is not None and letter.id:
        store.forget([letter.id])
        if loaded.app.conf.task_store_queued:
            store.store([sent(letter.id)])
    loaded.app.connections.relay(anew=True).publish(replayed(letter), Destination.of(loaded.queue(letter.queue)), confirm=True)
    return client.ack(letter.delivery)


@command.command("purge", short_help="Drop dead letters. There is no undo.")
@click.argument("task_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("-f", "--force", "-y", "--yes", is_flag=True, help="Do not ask.")
@selection
@json_option
@click.pass_context
def purge_command(context: click.Context, *, chosen: Selection, everything: bool, force: bool, as_json: bool) -> None:
    """Drop dead letters. There is no undo."""
    output = Output.of(context, as_json=as_json)
    _require_choice(chosen, everything=everything, verb="purge")
    with _opened(context, chosen) as (loaded, client, names):
        found = list(chosen.among(client, names))
        if found:
            confirm(f"Drop {count(len(found), 'dead letter')} at {loaded.app.broker.public_url()}?", yes=force)
        done = [letter for letter in found if client.ack(letter.delivery)]
    kept = len(found) - len(done)
    _report(output, done, "Dropped", chosen, met=found)
    if kept:
        raise click.ClickException(f"{count(kept, 'dead letter')} {_is(kept)} not dropped: {_OVER}.")


def _require_choice(chosen: Selection, *, everything: bool, verb: str) -> None:
    if chosen.is_open and not everything:
        raise Misuse(f"Which ones? Give ids, --task, --reason, or --all: umbel dead {verb} --all")


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _report(output: Output, done: list[DeadLetter], what: str, chosen: Selection, *, met: list[DeadLetter] | None = None) -> None:
    """Print what was done; ``met`` are the letters that there were, if it was not done to all of them."""
    missing = sorted(chosen.ids - {letter.id for letter in (done if met is None else met)})
    if output.as_json:
        output.data({"done": [letter.document() for letter in done], "missing": missing})
    else:
        output.line(f"{what}: {count(len(done), 'dead letter')}.")
    if missing:
        raise click.ClickException(f"No dead letter {', '.join(missing)}.")


@contextlib.contextmanager
def _opened(context: click.Context, chosen: Selection) -> Iterator[tuple[LoadedApp, QueueClient, tuple[str, ...]]]:
    loaded = load(GlobalOptions.of(context))
    with contextlib.closing(loaded.app.broker.queue_client()) as client:
        # "-Q celery.dead" means the dead letters of celery.
        plain = tuple(name.removesuffix(DEAD_SUFFIX) for name in chosen.queues)
        yield loaded, client, loaded.check_queues(client, plain)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else as_json(value)
