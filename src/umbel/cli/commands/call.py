"""``umbel call``: send one task by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import Command, GlobalOptions, Misuse, Number, WholeNumber, did_you_mean, json_option, not_empty
from umbel.cli.output import Output
from umbel.cli.shell_completion import complete_tasks


def _parsed(text: str, option: str, kind: type, example: str) -> Any:
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        value = json.loads(text)
    except OSError as error:
        raise click.BadParameter(f"cannot read {text[1:]}: {error.strerror}", param_hint=option) from error
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}. Write it like {example}", param_hint=option) from error
    if not isinstance(value, kind):
        raise click.BadParameter(f"expected JSON like {example}, got {text.strip()[:40]}", param_hint=option)
    return value


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a time: write 2030-01-31T12:00:00+00:00", param_hint=option) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _expiry(text: str | None) -> float | datetime | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return _moment(text, "--expires")


@click.command(
    cls=Command,
    sections={
        "Arguments": ("args_text", "kwargs_text", "serializer"),
        "Time": ("countdown", "eta", "expires"),
        "Route": ("queue", "exchange", "routing_key", "priority"),
    },
)
@click.argument("name", callback=not_empty, shell_complete=complete_tasks)
@click.option("-a", "--args", "args_text", default="[]", metavar="JSON", help="Positional arguments: a JSON list, @FILE, or - for stdin.")
@click.option("-k", "--kwargs", "kwargs_text", default="{}", metavar="JSON", help="Keyword arguments: a JSON object, @FILE, or -.")
@click.option("--countdown", type=Number(min=0), metavar="SECONDS", help="Run it after so many seconds.")
@click.option("--eta", metavar="TIME", help="Run it at this time: ISO 8601, in UTC unless it names a zone.")
@click.option("--expires", metavar="WHEN", help="Do not run it later: seconds from now, or a time as for --eta.")
@click.option("--priority", type=WholeNumber(0, 255), metavar="N", help="Its priority; see the setting priority_order.")
@click.option("--serializer", metavar="NAME", help="Write them as json, pickle, yaml, msgpack or raw.")
@click.option("--queue", metavar="NAME", help="Send it to this queue.")
@click.option("--exchange", metavar="NAME", help="Send it to this exchange.")
@click.option("--routing-key", metavar="KEY", help="Send it with this routing key.")
@click.option("-w", "--wait", is_flag=True, help="Wait for the result and print it.")
@click.option("--timeout", type=Number(min=0), metavar="SECONDS", help="With --wait: give up after so many seconds.")
@click.option("-f", "--force", is_flag=True, help="Send it even when the name looks mistyped.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str,
    args_text: str,
    kwargs_text: str,
    wait: bool,
    timeout: float | None,
    force: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Send the task NAME and print its id.

    The task need not be known here: a worker that knows it will run it.
    """
    output = Output.of(context, as_json=as_json)
    args = _parsed(args_text, "--args", list, "'[30, 42]'")
    kwargs = _parsed(kwargs_text, "--kwargs", dict, "'{\"x\": 30}'")
    options = _sending_options(given)
    loaded = load(GlobalOptions.of(context))
    _check_name(loaded, name, output, force=force)
    output.remark(loaded.nameless())
    result = loaded.app.send_task(name, args=args, kwargs=kwargs, **options)
    loaded.app.publisher.flush()
    if wait:
        from umbel.cli.commands.result import wait_and_print

        if not as_json:
            output.remark(f"Sent {result.id}.")
        context.exit(wait_and_print(output, result, timeout=timeout, traceback=False))
    if as_json:
        output.data({"id": result.id, "task": name})
    else:
        output.line(result.id)


def _sending_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `send_task` that were given."""
    options = {**given, "eta": _moment(given["eta"], "--eta"), "expires": _expiry(given["expires"])}
    if options["eta"] is not None and options["countdown"] is not None:
        raise click.UsageError("--eta and --countdown say the same thing: give one of them.")
    return {key: value for key, value in options.items() if value is not None}


def _check_name(loaded: LoadedApp, name: str, output: Output, *, force: bool) -> None:
    """Refuse what looks like a typing error; let pass what this app merely does not know."""
    if loaded.path is None or force:
        return
    known = loaded.task_names(built_in=True)
    if name in known:
        return
    hint = did_you_mean(name, known)
    if hint:
        raise Misuse(f"{loaded.path} has no task {name!r}. {hint} (--force sends it all the same.)")
    output.remark(f"{loaded.path} has no task {name!r}; sent for a worker that has it.")
