"""``umbel migrate-check``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from umbel.cli.moving.checking.findings import Finding, Verdict
from umbel.cli.moving.checking.imports import check_imports
from umbel.cli.moving.checking.packages import check_packages
from umbel.cli.moving.checking.reading import Source, sources
from umbel.cli.moving.checking.settings import check_defaults, check_settings, given_in
from umbel.cli.moving.checking.tasks import check_tasks
from umbel.cli.options import Command, json_option
from umbel.cli.output import Output, count

_COLORS = {Verdict.WORKS: "green", Verdict.DIFFERS: "yellow", Verdict.MUST_CHANGE: "red"}


@click.command(
    cls=Command,
    examples=(
        ("umbel migrate-check .", "what a Celery project must change"),
        ("umbel migrate-check . --all --json", "everything, for a program"),
    ),
)
@click.argument("project", type=click.Path(exists=True, path_type=Path), default=".")
@click.option("--all", "everything", is_flag=True, help="Show what works as it is, too.")
@json_option
@click.pass_context
def command(context: click.Context, project: Path, everything: bool, as_json: bool) -> None:
    """Read a Celery project, PROJECT, and say what works, what differs and what must change. Nothing of it is run or imported.

    Exit code: 0 nothing must change; 1 something must.
    """
    output = Output.of(context, as_json=as_json)
    findings = sorted(set(look(project)))
    numbers = {verdict: sum(each.verdict is verdict for each in findings) for verdict in Verdict}
    shown = [each for each in findings if everything or each.verdict is not Verdict.WORKS]
    if as_json:
        output.data(
            {"counts": {verdict.word: number for verdict, number in numbers.items()}, "findings": [each.document() for each in shown]}
        )
    else:
        if shown:
            rows = [(_place(each), each.verdict.word, each.subject, each.text) for each in shown]
            output.columns(("WHERE", "VERDICT", "WHAT", "WHY, AND WHAT TO DO"), rows, wrap=True)
            output.line()
        words = ", ".join(f"{number:,} {verdict.word}" for verdict, number in numbers.items())
        output.line(f"{count(len(findings), 'thing')} looked at: {words}.")
    context.exit(1 if numbers[Verdict.MUST_CHANGE] else 0)


def look(project: Path) -> Iterator[Finding]:
    """Look a project over.

    Args:
        project: a folder, or one module.
    """
    given: set[str] = set()
    uses_celery = False
    for source in sources(project):
        if not isinstance(source, Source):
            yield source
            continue
        found = [*check_imports(source), *check_settings(source), *check_tasks(source)]
        uses_celery = uses_celery or bool(found)
        given |= given_in(source)
        yield from found
    yield from check_packages(project)
    if uses_celery and project.is_dir():
        yield from check_defaults(given)


def _place(finding: Finding) -> str:
    if not finding.path:
        return "(all)"
    return f"{finding.path}:{finding.line}" if finding.line else finding.path
