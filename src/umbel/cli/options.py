"""The options that every command shares, accepted before or after the command's name.

``umbel -A tasks worker`` and ``umbel worker -A tasks`` are the same; where an option stands in both places, the later one counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import click

from umbel._version import __version__
from umbel.runtime import plugins

#: Exit codes; `umbel.cli.main` lists them.
EX_FAILURE: Final = 1
EX_UNAVAILABLE: Final = 69
EX_INTERRUPTED: Final = 130

_META = "umbel.globals"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """The options on the command line that every command shares."""

    #: Where the app lives: ``module``, ``package.module`` or ``module:attribute``.
    app: str | None = None
    broker: str | None = None
    result_backend: str | None = None
    #: Import path of a configuration module.
    config: str | None = None
    workdir: str | None = None
    no_color: bool = False
    quiet: bool = False
    #: The app whose `start` was called, for when ``app`` names none.
    given: Any = None

    @classmethod
    def of(cls, context: click.Context) -> GlobalOptions:
        """Return the shared options of the command that runs in ``context``."""
        given: Mapping[str, Any] = context.meta.get(_META, {})
        known = {field.name for field in fields(cls)}
        options = {name: value for name, value in given.items() if name in known}
        options.setdefault("app", os.environ.get("UMBEL_APP") or os.environ.get("CELERY_APP") or None)
        return cls(**options, given=context.find_root().obj)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    not_empty(context, parameter, value)
    if value not in (None, False) and parameter.name is not None:
        context.meta.setdefault(_META, {})[parameter.name] = value
    return value


def not_empty(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse ``''``, as a callback of click: most often it is a variable that is not set, ``-b "$BROKER"``.

    Args:
        context: of the command.
        parameter: the option.
        value: as given.

    Raises:
        click.BadParameter: it is empty.
    """
    if value == "" and not context.resilient_parsing:
        raise click.BadParameter("it is empty", context, parameter)
    return value


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"umbel {__version__}")
        context.exit()


def _as_celery(context: click.Context, parameter: click.Parameter, value: bool) -> Any:
    if value and not context.resilient_parsing:
        plugins.load("umbel.compat.alias.finder:install", "--as-celery")()
    return _remember(context, parameter, value)


class Misuse(click.ClickException):
    """The command line is understood but cannot be meant; one line, without the usage that click shows."""

    exit_code = 2


class WholeNumber(click.IntRange):
    """An integer within bounds; click's name for it, "integer range", does not explain an error."""

    name = "whole number"


class NumberOrAuto(WholeNumber):
    """A whole number, or the word *auto*."""

    name = "whole number or auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return "auto" if isinstance(value, str) and value.strip().lower() == "auto" else super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number within bounds."""

    name = "number"


class GlobalOption(click.Option):
    """An option that is remembered for the whole command line and listed apart in a command's help.

    Args:
        names: as for `click.Option`.
        attributes: as for `click.Option`.
    """

    def __init__(self, *names: str, **attributes: Any) -> None:
        attributes.setdefault("callback", _remember)
        super().__init__(list(names), expose_value=False, **attributes)


def global_options() -> list[click.Parameter]:
    """Make new option objects, for one command."""
    return [
        GlobalOption("-A", "--app", metavar="APP", help="Where the app is: module or module:name. Also UMBEL_APP or CELERY_APP."),
        GlobalOption("-b", "--broker", metavar="URL", help="Use this broker."),
        GlobalOption("--result-backend", metavar="URL", help="Use this result store."),
        GlobalOption("--config", metavar="MODULE", help="Read the settings from this module."),
        GlobalOption(
            "--as-celery",
            is_flag=True,
            is_eager=True,
            callback=_as_celery,
            help="Let the app import celery and get Umbel. UMBEL_AS_CELERY=1 does, too.",
        ),
        GlobalOption("--loader", metavar="LOADER", hidden=True),
        GlobalOption("--skip-checks", is_flag=True, hidden=True),
        GlobalOption("--workdir", type=click.Path(exists=True, file_okay=False), help="Change to this folder first."),
        GlobalOption("-C", "--no-color", is_flag=True, help="Print without colour. Also NO_COLOR."),
        GlobalOption("-q", "--quiet", is_flag=True, help="Print no banner and no remarks."),
        GlobalOption("--version", is_flag=True, is_eager=True, callback=_show_version, help="Show the version."),
    ]


class _WithGlobals(click.Command):
    """A command that takes the shared options and lists them after its own.

    Args:
        examples: command lines and what they do, shown under its help.
        sections: title → names of the options that its help lists under it; the others stand under "Options".
    """

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[tuple[str, str]] = (),
        sections: Mapping[str, Sequence[str]] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.params = [*self.params, *global_options()]
        self.examples = examples
        self.sections = sections or {}

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl(self.examples, col_max=60)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        title_of = {name: title for title, names in self.sections.items() for name in names}
        listed: dict[str, list[tuple[str, str]]] = {title: [] for title in (*self.sections, "Options", "Options of every command")}
        for parameter in self.get_params(ctx):
            # The usage line shows the arguments; newer versions of click would list them here, unexplained.
            record = None if isinstance(parameter, click.Argument) else parameter.get_help_record(ctx)
            if record is not None:
                shared = isinstance(parameter, GlobalOption)
                listed["Options of every command" if shared else title_of.get(parameter.name or "", "Options")].append(record)
        for title, records in listed.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Command(_WithGlobals):
    """A single command."""


class Group(_WithGlobals, click.Group):
    """A command with sub-commands; a wrong name gets a suggestion."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _WithGlobals.format_options(self, ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            hint = did_you_mean(name, known) or f"There are: {', '.join(known)}."
            raise click.UsageError(f"There is no command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


def did_you_mean(word: str, known: list[str], *, most: int = 3) -> str:
    """Ask whether a known name was meant; empty where none is like it.

    Args:
        word: as given.
        known: names.
        most: number of names in the question.
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=most, cutoff=0.6)
    # A task is often named without its module: "add" for "tasks.add".
    close += [name for name in known if name.rpartition(".")[2] == word and name not in close][:most]
    return f"Did you mean {' or '.join(close[:most])}?" if close else ""


def names_list(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...] | str | None) -> tuple[str, ...]:
    """Make one tuple of names, as a callback of click, of ``value``: ``a,b`` and repeated options."""
    texts = (value,) if isinstance(value, str) else value or ()
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``function``, a command that reads, with ``--json``."""
    return click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")(function)
