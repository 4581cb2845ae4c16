"""``umbel doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from umbel.cli.doctor import fleet, servers, settings
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Number, json_option
from umbel.cli.output import Output, count
from umbel.clients.finding import Finding, Level
from umbel.errors import ImproperlyConfigured, OperationalError

#: Level → the word for it, and its colour.
MARKS: Final = {Level.OK: ("ok", "green"), Level.WARNING: ("warning", "yellow"), Level.ERROR: ("error", "red")}


@click.command(
    cls=Command,
    examples=(
        ("umbel -A tasks doctor", "look everything over"),
        ("umbel -A tasks doctor --strict --json", "for a pipeline: fails on warnings too"),
    ),
)
@click.option("--strict", is_flag=True, help="Warnings are failures too: exit code 1.")
@click.option(
    "-t", "--timeout", type=Number(min=0, min_open=True), default=1.0, metavar="SECONDS", help="Wait so long for workers. Default: 1."
)
@json_option
@click.pass_context
def command(context: click.Context, strict: bool, timeout: float, as_json: bool) -> None:
    """Look the broker, the result store, settings, queues and workers over, and say what to do.

    Exit code: 0 all is well, or there are warnings; 1 with --strict, there are warnings; 2 there are errors.
    """
    output = Output.of(context, as_json=as_json)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    findings: list[Finding] = []
    for finding in findings_of(loaded, timeout):
        findings.append(finding)
        if not as_json:
            _show(finding, findings, output)
    worst = max(finding.level for finding in findings)
    if as_json:
        rows = [{"subject": each.subject, "level": MARKS[each.level][0], "text": each.text, "advice": each.advice} for each in findings]
        output.data({"status": MARKS[worst][0], "findings": rows})
    else:
        numbers = {level: sum(1 for each in findings if each.level is level) for level in Level}
        output.line()
        output.line(f"{count(numbers[Level.ERROR], 'error')}, {count(numbers[Level.WARNING], 'warning')}, {numbers[Level.OK]} fine.")
    context.exit(2 if worst is Level.ERROR else 1 if strict and worst is Level.WARNING else 0)


def _show(finding: Finding, so_far: list[Finding], output: Output) -> None:
    if len(so_far) < 2 or so_far[-2].subject != finding.subject:
        output.line(output.paint(finding.subject, bold=True))
    word, color = MARKS[finding.level]
    output.line(f"  {output.paint(word.ljust(8), fg=color)} {finding.text}")
    if finding.advice:
        output.line(f"           → {finding.advice}")


def findings_of(loaded: LoadedApp, timeout: float) -> Iterable[Finding]:
    """Look everything over, a finding at a time.

    Args:
        loaded: the app.
        timeout: seconds to wait for workers.
    """
    app, conf = loaded.app, loaded.app.conf
    yield from settings.check_process()
    broker = app.broker
    yield from settings.check(conf, broker=servers.url_of(broker).partition(":")[0], has_store=app.store is not None)
    looked, is_there = servers.look_over(broker, servers.url_of(broker), "broker")
    yield from looked
    if is_there:
        yield from servers.send_round(broker)
    if app.store is not None and conf.result_backend:
        yield from servers.look_over(app.store, servers.url_of(app.store), "result store")[0]
    if is_there:
        read = yield from _workers(app, loaded.task_names(), timeout)
        yield from servers.check_queues(broker, loaded.queue_names(), read)


def _workers(app: Any, own: list[str], timeout: float) -> Any:
    """Ask workers; the result of the generator is the queues that they read, ``None`` where nobody said."""
    try:
        pings = app.control.broadcast("ping", reply=True, timeout=timeout)
        asked: dict[str, Mapping[str, Any]] = {}
        if pings:
            inspect = app.control.inspect(
                timeout=timeout, limit=len(pings)
            )  # those that are there have answered: nobody else is waited for
            asked = {name: getattr(inspect, name)() or {} for name in ("registered", "active_queues", "report")}
    except (OperationalError, ImproperlyConfigured):
        return None
    tasks = {node: [str(name).partition(" ")[0] for name in known] for node, known in asked.get("registered", {}).items()}
    software = {node: _software(reply) for node, reply in asked.get("report", {}).items()}
    yield from fleet.check(pings, tasks, software, own)
    if not asked.get("active_queues"):
        return None
    return {queue["name"] for queues in asked["active_queues"].values() for queue in queues}


def _software(reply: Any) -> str:
    """Return name and version, from a worker's report."""
    text = reply.get("ok", "") if isinstance(reply, Mapping) else ""
    words = str(text).replace("software ->", "software").split()
    for name in ("umbel", "celery"):
        for place, word in enumerate(words[:-1]):
            if word == name or word.startswith(f"{name}:"):
                return f"{name} {(word.partition(':')[2] or words[place + 1])}"
    return "unknown"
