"""``umbel graph``: a worker's services, or the workers of a fleet, as a graph for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from umbel.cli.loading import load
from umbel.cli.options import GlobalOptions, Group, Misuse, Number
from umbel.cli.output import Output
from umbel.cli.remote import asking
from umbel.results.workflow.dot import quoted
from umbel.runtime.logs import escape

#: Children of one worker that are drawn; more are counted.
_MOST: Final = 20
#: Celery's words: the nodes, and the slots of each.
_WORDS: Final = frozenset({"nodes", "threads"})


@click.group(cls=Group, examples=(("umbel -A tasks graph workers | dot -Tsvg > workers.svg", "as a picture"),))
def command() -> None:
    """Print a graph for Graphviz: of a worker's services, or of the workers that are there."""


@command.command("bootsteps", short_help="The services of a worker, in the order of their start.")
@click.argument("parts", nargs=-1)
@click.pass_context
def bootsteps(context: click.Context, parts: tuple[str, ...]) -> None:
    """Print the services of which a worker of the app consists: each starts when the one before works, and they stop in reverse.

    PARTS are Celery's words worker and consumer; Umbel's workers have one list for both.
    """
    wrong = [part for part in parts if part not in {"worker", "consumer"}]
    if wrong:
        raise Misuse(f"There is no {wrong[0]!r} here: worker and consumer are known.")
    from umbel.worker.worker import Worker

    loaded = load(GlobalOptions.of(context))
    names = [service.name for service in Worker(loaded.app).services.services]
    output = Output.of(context)
    for line in chain_lines(names):
        output.line(line)


@command.command("workers", short_help="The workers that are there, between broker and result store.")
@click.option("-t", "--timeout", type=Number(min=0, min_open=True), metavar="SECONDS", help="Wait so long for replies. Default: 1.")
@asking.destination_option
@click.argument("words", nargs=-1)
@click.pass_context
def workers(context: click.Context, timeout: float | None, destination: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Print the workers that are there, with their processes, between the broker and the result store.

    WORDS are Celery's: nodes:a,b draws these without asking; threads:3 says how many slots each has.
    """
    loaded = load(GlobalOptions.of(context))
    app, given = loaded.app, dict(_word(word) for word in words)
    if "nodes" in given:
        slots = given.get("threads", "1")
        if not slots.isdecimal():
            raise Misuse(f"threads:{slots}: expected a whole number.")
        found: dict[str, Any] = {name: {"pool": {"max-concurrency": int(slots)}} for name in given["nodes"].split(",") if name}
    else:
        replies = app.control.broadcast("stats", destination=list(destination) or None, reply=True, timeout=timeout or 1.0)
        found = {node: reply for each in replies for node, reply in each.items()}
        if not found:
            asking.nobody(timeout, destination)
    store = app.store.public_url() if app.store is not None else None
    output = Output.of(context)
    for line in worker_lines(app.broker.public_url(), store, found):
        output.line(line)


def _word(word: str) -> tuple[str, str]:
    name, colon, value = word.partition(":")
    if not colon or name not in _WORDS:
        raise Misuse(f"{word!r} is not understood: expected nodes:NAME,… or threads:N.")
    return name, value


def chain_lines(names: Sequence[str]) -> Iterator[str]:
    """Draw names below one another.

    Args:
        names: in their order.
    """
    yield "digraph {"
    yield "  node [shape=box style=filled fillcolor=palegreen];"
    for place, name in enumerate(names):
        yield f"  s{place} [label={quoted(escape(name))}];"
        if place:
            yield f"  s{place - 1} -> s{place};"
    yield "}"


def worker_lines(broker: str, store: str | None, workers: Mapping[str, Any]) -> Iterator[str]:
    """Draw workers.

    Args:
        broker: its URL, without a password.
        store: that of the result store.
        workers: names of nodes → their replies to ``stats``, as far as they are understood.
    """
    yield "digraph {"
    yield "  rankdir=LR;"
    yield f"  broker [label={quoted(escape(broker))} shape=cylinder style=filled fillcolor=khaki];"
    if store is not None:
        yield f"  store [label={quoted(escape(store))} shape=cylinder style=filled fillcolor=lightskyblue];"
    for place, (node, reply) in enumerate(sorted(workers.items())):
        stats = reply if isinstance(reply, Mapping) else {}
        pool = stats.get("pool")
        pool = pool if isinstance(pool, Mapping) else {}
        slots, processes = pool.get("max-concurrency"), pool.get("processes")
        label = node if slots is None else f"{node}\n{slots} slots"
        yield f"  w{place} [label={quoted(label)} shape=box style=filled fillcolor=palegreen];"
        yield f"  broker -> w{place};"
        if store is not None:
            yield f"  w{place} -> store;"
        children = processes if isinstance(processes, (list, tuple)) else []
        for child in [*children[:_MOST], *([f"{len(children) - _MOST} more"] if len(children) > _MOST else [])]:
            name = quoted(f"{node} {child}")
            yield f"  {name} [label={quoted(escape(str(child)))}];"
            yield f"  w{place} -> {name};"
    yield "}"
