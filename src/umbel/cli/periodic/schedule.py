"""``umbel schedule``: look at periodic tasks and edit them, while beat runs."""

from __future__ import annotations

from typing import Any

import click

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry
from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Group, Misuse, WholeNumber, json_option, not_empty
from umbel.cli.output import Output, count
from umbel.cli.periodic import tables
from umbel.cli.periodic.options import SECTIONS, entry_options
from umbel.cli.shell_completion import complete_tasks
from umbel.errors import ImproperlyConfigured
from umbel.runtime.logs import escape

_COLORS = {model.ACTIVE: "green", model.PAUSED: "yellow", model.DISABLED: "red"}


@click.group(
    cls=Group,
    examples=(
        ("umbel -A tasks schedule list", "all entries, and when each is due"),
        ("umbel -A tasks schedule add nightly tasks.clean --cron '30 3 * * *'", "every night"),
        ("umbel -A tasks schedule history nightly", "did it run, and how long did it take"),
    ),
)
def command() -> None:
    """Look at periodic tasks and edit them, while beat runs.

    What is edited here takes effect within a second or two, on whichever scheduler leads, and stays through deploys.
    """


def _opened(context: click.Context) -> LoadedApp:
    loaded = load(GlobalOptions.of(context), needed=True)
    loaded.import_modules()
    loaded.app.finalize()
    return loaded


def _entry_of(loaded: LoadedApp, name: str) -> Entry:
    try:
        found: Entry = loaded.app.schedules.get(name)
    except KeyError as error:
        raise Misuse(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    return found


@command.command("list", cls=Command, short_help="List the entries, and when each is due next.")
@json_option
@click.pass_context
def list_command(context: click.Context, *, as_json: bool) -> None:
    """List the entries, and when each is due next."""
    output = Output.of(context, as_json=as_json)
    loaded = _opened(context)
    app = loaded.app
    entries, now = app.schedules.list(), app.time.now()
    if as_json:
        output.data([tables.entry_document(entry, now) for entry in entries])
        return
    if not entries:
        output.line(f"There are no entries in {app.schedules.store.public_url()}. Add one: umbel schedule add --help")
        return
    rows = []
    for entry in entries:
        following = tables.next_times(entry, now, 1)
        due = tables.near(following[0], now) if following else ("–" if entry.status == model.ACTIVE else entry.status)
        last = None if entry.last_fired is None else tables.stamp(entry.last_fired, app.timezone)
        rows.append((entry.name, entry.document.get("task"), tables.in_words(entry), due, last, entry.total_runs))
    output.columns(["NAME", "TASK", "WHEN", "NEXT", "LAST", "RUNS"], rows, right=frozenset({5}))
    for entry in entries:
        if entry.reason and entry.status != model.PAUSED:
            output.remark(f"{entry.name}: {escape(entry.reason)}")


@command.command("show", cls=Command, short_help="Show one entry: what it sends, its policies, its next times.")
@click.argument("name", callback=not_empty)
@click.option("-n", "--next", "most", type=WholeNumber(1, 1000), default=5, metavar="N", help="So many of its next times. Default: 5.")
@json_option
@click.pass_context
def show_command(context: click.Context, name: str, *, most: int, as_json: bool) -> None:
    """Show the entry NAME: what it sends, its policies, its next times."""
    output = Output.of(context, as_json=as_json)
    loaded = _opened(context)
    _show(loaded, _entry_of(loaded, name), output, most)


def _show(loaded: LoadedApp, entry: Entry, output: Output, most: int = 5) -> None:
    app, now = loaded.app, loaded.app.time.now()
    if output.as_json:
        output.data(tables.entry_document(entry, now, most))
        return
    whose = "the code" if entry.source == model.CODE else "edited by hand; the code has it, too" if entry.code else "added by hand"
    facts = [
        ("name", output.paint(escape(entry.name), bold=True)),
        ("sends", escape(tables.call(entry))),
        ("when", escape(tables.in_words(entry))),
        ("status", output.paint(entry.status, fg=_COLORS.get(entry.status)) + (f": {escape(entry.reason)}" if entry.reason else "")),
        ("from", whose),
    ]
    facts += [(key.replace("_", " "), escape(str(value))) for key, value in entry.document.items() if key not in _SHOWN and value]
    last = tables.stamp(entry.last_fired, app.timezone)
    facts.append(("runs", f"{entry.total_runs:,}" + (f", the last at {last} as {entry.last_id}" if last else "")))
    following = tables.next_times(entry, now, most)
    facts += [("next" if place == 0 else "", _moment(moment, now)) for place, moment in enumerate(following)]
    longest = max(len(label) for label, _ in facts)
    for label, value in facts:
        output.line(f"{output.paint(label.ljust(longest), dim=True)}  {value}")


_SHOWN = frozenset({"task", "args", "kwargs", "schedule", "in_code"})


def _moment(moment: Any, now: float) -> str:
    from umbel.schedules import words

    away = moment.timestamp() - now
    return f"{words.moment(moment)}{f' (in {away:.0f} s)' if away < 120 else ''}"


@command.command("add", cls=Command, sections=SECTIONS, short_help="Add an entry.")
@click.argument("name", callback=not_empty)
@click.argument("task", callback=not_empty, shell_complete=complete_tasks)
@entry_options
@click.option("--paused", is_flag=True, help="Do not send it until it is resumed.")
@json_option
@click.pass_context
def add_command(context: click.Context, name: str, task: str, *, fields: dict[str, Any], paused: bool, force: bool, as_json: bool) -> None:
    """Add the entry NAME, which sends TASK.

    Say when by one of --every, --cron, --at and --solar.
    """
    output = Output.of(context, as_json=as_json)
    if "schedule" not in fields:
        raise Misuse("When? Say --every 30s, --cron '30 7 * * mon-fri', --at 2030-01-31T12:00 or --solar sunset,52.5,13.4.")
    loaded = _opened(context)
    entry = _edited(lambda: loaded.app.schedules.add(name, task, paused=paused, force=force, **fields))
    _show(loaded, entry, output)


@command.command("edit", cls=Command, sections=SECTIONS, short_help="Change an entry.")
@click.argument("name", callback=not_empty)
@click.option("--task", metavar="NAME", shell_complete=complete_tasks, help="Send this task.")
@entry_options
@json_option
@click.pass_context
def edit_command(context: click.Context, name: str, *, task: str | None, fields: dict[str, Any], force: bool, as_json: bool) -> None:
    """Change the entry NAME: what is not said stays as it is.

    From then on it is yours: a deploy leaves it alone, until `reset`.
    """
    output = Output.of(context, as_json=as_json)
    changes = {**fields, **({"task": task} if task else {})}
    if not changes:
        raise Misuse("What is to be changed? See umbel schedule edit --help.")
    loaded = _opened(context)
    before = _entry_of(loaded, name)
    if "options" in changes and before.spec is not None:
        changes["options"] = {**before.spec.options, **changes["options"]}
    _show(loaded, _edited(lambda: loaded.app.schedules.edit(name, force=force, **changes)), output)


def _edited(work: Any) -> Any:
    try:
        return work()
    except ImproperlyConfigured as error:
        raise Misuse(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def _simple(verb: str, short_help: str, text: str) -> None:
    """Make a command that takes names of entries and calls the method of this name for each."""

    @command.command(verb, cls=Command, short_help=short_help, help=text)
    @click.argument("names", nargs=-1, required=True)
    @json_option
    @click.pass_context
    def run(context: click.Context, names: tuple[str, ...], *, as_json: bool) -> None:
        output = Output.of(context, as_json=as_json)
        schedules = _opened(context).app.schedules
        done = {}
        for name in names:
            done[name] = _edited(lambda name=name: getattr(schedules, verb)(name))
            if not as_json:
                output.line(_said(verb, name, done[name]))
        if as_json:
            output.data([{"name": name, "done": verb, **({"id": found.id} if verb == "run" else {})} for name, found in done.items()])


def _said(verb: str, name: str, found: Any) -> str:
    words = {"pause": "Paused", "resume": "Resumed", "remove": "Removed", "reset": "As in the code again"}
    return f"Sent {escape(name)}: {found.id}" if verb == "run" else f"{words[verb]}: {escape(name)}."


_simple("pause", "Do not send entries until they are resumed.", "Do not send the entries NAMES until they are resumed.")
_simple("resume", "Send entries again.", "Send the entries NAMES again, from now on. What was due while they were paused is left out.")
_simple(
    "run",
    "Send entries now, whatever their schedules.",
    "Send the tasks of the entries NAMES now, whatever their schedules, and print their ids.",
)
_simple(
    "remove",
    "Remove entries.",
    "Remove the entries NAMES. Those of the code do not come back with the next deploy, until `umbel schedule reset`.",
)
_simple(
    "reset",
    "Let entries be what the code says.",
    "Let the entries NAMES be what the code says, also if they were edited or removed by hand.",
)


@command.command("history", cls=Command, short_help="List runs: when, which task, how it ended, how long it took.")
@click.argument("name", required=False)
@click.option("-n", "--limit", type=WholeNumber(1, 10_000), default=20, metavar="N", help="The latest so many. Default: 20.")
@json_option
@click.pass_context
def history_command(context: click.Context, name: str | None, *, limit: int, as_json: bool) -> None:
    """List the runs of the entry NAME, or of all, the latest first: when, which task, how it ended, how long it took."""
    output = Output.of(context, as_json=as_json)
    loaded = _opened(context)
    app = loaded.app
    runs = _edited(lambda: app.schedules.history(name, limit))
    if as_json:
        output.data([tables.run_document(run) for run in runs])
        return
    if not runs:
        output.line("There are no runs yet.")
        return
    rows = [
        (
            run.entry,
            "by hand" if run.by_hand else tables.stamp(run.slot, app.timezone),
            f"{run.lag:.1f} s" if not run.by_hand and run.lag >= 0.1 else None,
            run.task_id,
            run.state,
            tables.took(run),
            run.worker or None,
            run.detail or (f"{count(run.missed, 'time')} before it left out" if run.missed else None),
        )
        for run in runs
    ]
    output.columns(["ENTRY", "DUE", "LATE", "ID", "STATE", "TOOK", "WORKER", "DETAIL"], rows, right=frozenset({2, 5}))
