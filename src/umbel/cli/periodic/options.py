"""The options that say what an entry is: ``--every``, ``--cron``, ``--at``, ``--solar``, arguments, options, policies."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from umbel.beat.entries import model
from umbel.cli.options import WholeNumber, names_list
from umbel.errors import ImproperlyConfigured
from umbel.schedules import clocked, crontab, parsing, schedule, solar

_OPTIONS = (
    click.option("--every", metavar="TIME", help="Every 30s, 5m, 1h30m, 2d."),
    click.option("--relative", is_flag=True, default=None, help="With --every: on the full minute, hour or day."),
    click.option("--cron", metavar="FIELDS", help="At these minutes, hours, days, months and weekdays: '30 7 * * mon-fri'."),
    click.option("--at", metavar="TIME", help="Once: ISO 8601, in --timezone, or UTC."),
    click.option("--solar", metavar="EVENT,LAT,LON", help="At an event of the sun: sunset,52.5,13.4."),
    click.option("--timezone", metavar="ZONE", help="Zone of its hours and days, e.g. Europe/Berlin. Default: the app's."),
    click.option("-a", "--args", "args_text", metavar="JSON", help="Positional arguments: a JSON list."),
    click.option("-k", "--kwargs", "kwargs_text", metavar="JSON", help="Keyword arguments: a JSON object."),
    click.option("--queue", metavar="NAME", help="Send it to this queue."),
    click.option(
        "--worker", "workers", multiple=True, callback=names_list, metavar="NAMES", help="Send one to each of these workers' own queues."
    ),
    click.option("--priority", type=WholeNumber(0, 255), metavar="N", help="Its priority, as the broker counts it."),
    click.option("--expires", metavar="TIME", help="A run that has not begun after this time is dropped."),
    click.option("--option", "more", multiple=True, metavar="NAME=JSON", help="Any other calling option, e.g. --option time_limit=60."),
    click.option("--expire-at-next/--no-expire-at-next", default=None, help="A run that has not begun when the next is due is dropped."),
    click.option("--misfire", type=click.Choice(model.MISFIRES), help="What was missed: fire once, skip it, or fire all. Default: once."),
    click.option("--misfire-grace", metavar="TIME", help="With skip: what is at most so late is not missed. Default: 1m."),
    click.option("--misfire-limit", type=WholeNumber(1, 10_000), metavar="N", help="With all: at most so many. Default: 100."),
    click.option("--jitter", metavar="TIME", help="Spread its runs over this time."),
    click.option(
        "--overlap", type=click.Choice(model.OVERLAPS), help="While the last run has not ended: allow another, or skip it. Default: allow."
    ),
    click.option("--description", metavar="TEXT", help="Words about it."),
    click.option("-f", "--force", is_flag=True, help="Also where this app has no such task."),
)
SECTIONS = {
    "Schedule": ("every", "relative", "cron", "at", "solar", "timezone"),
    "Task": ("args_text", "kwargs_text", "queue", "workers", "priority", "expires", "more"),
    "Policies": ("misfire", "misfire_grace", "misfire_limit", "jitter", "overlap", "expire_at_next"),
}


def entry_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options of an entry; it gets them as ``fields``, in the form that `umbel.beat.editing.Schedules.add` takes.

    Args:
        function: the command.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **given: Any) -> Any:
        names = {name for option in _OPTIONS for name in _names_of(option)}
        mine = {name: given.pop(name) for name in list(given) if name in names and name != "force"}
        return function(*args, fields=fields_of(mine), **given)

    decorated: Callable[..., Any] = wrapper
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _names_of(option: Callable[..., Any]) -> list[str]:
    """The name of the argument that an option's decorator adds."""

    def probe() -> None: ...

    option(probe)
    return [parameter.name for parameter in getattr(probe, "__click_params__", ())]


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the options into the fields of an entry; those that were not given are left out.

    Args:
        given: by name.

    Raises:
        click.UsageError: two of them say the same, or one cannot be read.
    """
    fields: dict[str, Any] = {}
    when = _schedule(given)
    if when is not None:
        fields["schedule"] = when
    elif given["timezone"]:
        fields["timezone"] = given["timezone"]
    if given["relative"] is not None and given["every"] is None:
        raise click.UsageError("--relative belongs to --every.")
    for name, option, kind, example in (("args", "args_text", list, "'[30, 42]'"), ("kwargs", "kwargs_text", dict, "'{\"x\": 30}'")):
        if given[option] is not None:
            fields[name] = _json(given[option], f"--{name}", kind, example)
    options = _calling_options(given)
    if options:
        fields["options"] = options
    if given["workers"]:
        fields["workers"] = given["workers"]
    for name in ("misfire", "misfire_limit", "overlap", "expire_at_next", "description"):
        if given[name] is not None:
            fields[name] = given[name]
    for name in ("misfire_grace", "jitter"):
        if given[name] is not None:
            fields[name] = _duration(given[name], f"--{name.replace('_', '-')}")
    return fields


def _schedule(given: Mapping[str, Any]) -> Any:
    chosen = [name for name in ("every", "cron", "at", "solar") if given[name] is not None]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in chosen)} say when it is due: give one of them.")
    zone = given["timezone"]
    try:
        if given["every"] is not None:
            return schedule(parsing.duration(given["every"]), bool(given["relative"]), timezone=zone)
        if given["cron"] is not None:
            return crontab.from_string(given["cron"], timezone=zone)
        if given["at"] is not None:
            return clocked(given["at"], timezone=zone)
        if given["solar"] is not None:
            event, lat, lon = given["solar"].split(",")
            return solar(event.strip(), float(lat), float(lon), timezone=zone)
    except ImproperlyConfigured as error:
        raise click.BadParameter(str(error), param_hint=f"--{chosen[0]}") from error
    except ValueError as error:
        raise click.BadParameter(
            f"{given['solar']!r}: expected an event and a place, e.g. sunset,52.5,13.4", param_hint="--solar"
        ) from error
    return None


def _calling_options(given: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {name: given[name] for name in ("queue", "priority") if given[name] is not None}
    if given["expires"] is not None:
        options["expires"] = _duration(given["expires"], "--expires")
    for text in given["more"]:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r}: expected NAME=JSON, e.g. time_limit=60", param_hint="--option")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value
    return options


def _duration(text: str, option: str) -> float:
    try:
        return parsing.duration(text)
    except ImproperlyConfigured as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _json(text: str, option: str, kind: type, example: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}. Write it like {example}", param_hint=option) from error
    if not isinstance(value, kind):
        raise click.BadParameter(f"expected JSON like {example}, got {text.strip()[:40]}", param_hint=option)
    return value
