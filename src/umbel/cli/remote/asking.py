"""The part that ``inspect`` and ``control`` share: find the command, read its words, ask the workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import click
from click.shell_completion import CompletionItem

from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import EX_UNAVAILABLE, Command, GlobalOptions, Misuse, Number, did_you_mean, names_list
from umbel.cli.output import Output, count
from umbel.cli.shell_completion import complete_nodes, items
from umbel.control.commands import COMMANDS, Kind
from umbel.control.commands import Command as RemoteCommand

#: Seconds for which replies are waited for, at least, unless ``--timeout`` says otherwise.
_PATIENCE: Final = 1.0
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})


class RemoteGroup(Command):
    """A command whose help lists the commands of remote control.

    Args:
        arguments: as for `Command`.
        kind: of those that are listed.
        attributes: as for `Command`.
    """

    def __init__(self, *arguments: Any, kind: Kind, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.kind = kind

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands of workers"):
            formatter.write_dl(described(self.kind))
        super().format_options(ctx, formatter)


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``function`` with the options of both commands."""
    for option in (
        click.option("-l", "--list", "listed", is_flag=True, help="List the commands, those of the app's own included."),
        click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("-t", "--timeout", type=Number(min=0, min_open=True), metavar="SECONDS", help="Wait so long for replies. Default: 1."),
        destination_option,
    ):
        function = option(function)
    return function


destination_option = click.option(
    "-d",
    "--destination",
    multiple=True,
    callback=names_list,
    metavar="NODES",
    shell_complete=complete_nodes,
    help="Ask these workers only, e.g. -d celery@a,celery@b.",
)


def ask(
    context: click.Context, kind: Kind, name: str, words: Sequence[str], timeout: float | None, destination: tuple[str, ...]
) -> tuple[RemoteCommand, list[dict[str, Any]]]:
    """Send a command to workers; returns it and their replies.

    Args:
        context: of the command line.
        kind: inspect or control.
        name: of the command.
        words: its arguments, as typed.
        timeout: seconds to wait for replies; the command's own when not given.
        destination: names of nodes; all when empty.

    Raises:
        Misuse: there is no such command, or the words do not fit.
    """
    loaded = load(GlobalOptions.of(context))
    command = find(loaded, kind, name)
    arguments = parsed(command, words)
    Output.of(context).remark(loaded.nameless())
    replies = loaded.app.control.broadcast(
        command.name,
        arguments,
        destination=list(destination) or None,
        reply=True,
        timeout=max(_PATIENCE, command.default_timeout) if timeout is None else timeout,
    )
    return command, replies


def find(loaded: LoadedApp, kind: Kind, name: str) -> RemoteCommand:
    """Find a command, one of the app's own included.

    Args:
        loaded: the app.
        kind: inspect or control.
        name: of the command.

    Raises:
        Misuse: there is no such command; says which was perhaps meant.
    """
    known = commands(kind)
    found = known.get(name)
    if found is None and loaded.path is not None:
        loaded.import_modules()
        known = commands(kind)
        found = known.get(name)
    if found is not None:
        return found
    other: Kind = "control" if kind == "inspect" else "inspect"
    if name in commands(other):
        raise Misuse(f"{name} is a command of umbel {other}.")
    listed = sorted({command.name for command in known.values() if command.visible})
    raise Misuse(f"There is no {kind} command {name!r}. {did_you_mean(name, listed) or 'There are: ' + ', '.join(listed) + '.'}")


def commands(kind: Kind) -> dict[str, RemoteCommand]:
    """The commands of a ``kind`` that are known now, by each of their names."""
    from umbel.worker.remote import service

    assert service.BUILT_IN  # their import has filled the table
    return {name: command for command in COMMANDS if command.kind == kind for name in (command.name, *command.aliases)}


def described(kind: Kind) -> list[tuple[str, str]]:
    """The commands of a ``kind``, each with its arguments and what it does."""
    known = {command.name: command for command in commands(kind).values() if command.visible}
    return [(f"{name} {command.signature}".strip(), command.help) for name, command in sorted(known.items())]


def parsed(command: RemoteCommand, words: Sequence[str]) -> dict[str, Any]:
    """Read the words of a command line as the arguments of a command.

    Args:
        command: says which it takes.
        words: as typed.

    Raises:
        Misuse: a word is not what it should be, or there are too many.
    """
    usage = f"Usage: {command.kind} {command.name} {command.signature}".rstrip()
    if len(words) > len(command.args) and command.variadic is None:
        raise Misuse(f"{command.name} takes {count(len(command.args), 'argument')}, got {len(words)}. {usage}")
    found: dict[str, Any] = {}
    for (name, convert), word in zip(command.args, words, strict=False):
        try:
            found[name] = _flag(word) if convert is bool else convert(word)
        except (ValueError, TypeError):
            raise Misuse(f"{name} is {_named(convert)}, got {word!r}. {usage}") from None
    if command.variadic is not None:
        found[command.variadic] = list(words[len(command.args) :])
    return found


def _flag(word: str) -> bool:
    if word.lower() in _YES | _NO:
        return word.lower() in _YES
    raise ValueError(word)


def _named(convert: Callable[[str], Any]) -> str:
    words: dict[object, str] = {bool: "yes or no", int: "a whole number", float: "a number"}
    return words.get(convert, "another kind of word")


def list_commands(context: click.Context, output: Output, kind: Kind, *, listed: bool) -> bool:
    """List the commands where that is asked for; returns whether it was.

    Args:
        context: of the command line.
        output: where to.
        kind: inspect or control.
        listed: ``--list`` was given.
    """
    if listed:
        loaded = load(GlobalOptions.of(context))
        if loaded.path is not None:
            loaded.import_modules()
        output.columns(["COMMAND", "WHAT IT DOES"], described(kind), wrap=True)
    return listed


def nobody(timeout: float | None, destination: tuple[str, ...]) -> NoReturn:
    """End a command to which nobody has replied.

    Args:
        timeout: seconds that were waited.
        destination: names of nodes that were asked.

    Raises:
        click.exceptions.Exit: with Celery's exit code, 69.
    """
    who = "No worker" if not destination else f"{', '.join(destination)} has not" if len(destination) == 1 else "None of them has"
    verb = " has replied" if not destination else " replied"
    click.echo(
        f"Error: {who}{verb} within {timeout or _PATIENCE:g} s. Is a worker running at this broker? Else try a longer --timeout.", err=True
    )
    raise click.exceptions.Exit(EX_UNAVAILABLE)


def complete_commands(kind: Kind) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make a completion of the commands of a ``kind``."""
    return lambda _context, _parameter, incomplete: items(
        [each.name for each in COMMANDS if each.kind == kind and each.visible], incomplete
    )
