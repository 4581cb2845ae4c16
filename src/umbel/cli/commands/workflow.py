"""``umbel workflow``: show how the tasks of a workflow stand."""

from __future__ import annotations

import sys

import click

from umbel import states
from umbel.cli.following import drawing_tree, follow, tree_text
from umbel.cli.loading import load
from umbel.cli.options import EX_FAILURE, EX_UNAVAILABLE, Command, GlobalOptions, Misuse, WholeNumber, json_option, not_empty
from umbel.cli.output import Output, terminal_width
from umbel.results.workflow import Workflow
from umbel.results.workflow.reading import reader_of


@click.command(
    cls=Command,
    examples=(
        ("umbel -A shop workflow ID --follow", "until everything has ended"),
        ("umbel -A shop workflow ID --dot | dot -Tsvg > shop.svg", "as a picture"),
    ),
)
@click.argument("task_id", callback=not_empty)
@click.option("-f", "--follow", "following", is_flag=True, help="Draw it again until everything has ended.")
@click.option("--all", "everything", is_flag=True, help="Summarise neither large groups nor long chains.")
@click.option("--dot", "as_dot", is_flag=True, help="Print a graph for Graphviz.")
@click.option("--depth", type=WholeNumber(min=1), metavar="N", help="Follow at most this many levels (1,000).")
@click.option("--nodes", type=WholeNumber(min=1), metavar="N", help="Read at most this many tasks and groups (20,000).")
@json_option
@click.pass_context
def command(
    context: click.Context,
    task_id: str,
    following: bool,
    everything: bool,
    as_dot: bool,
    depth: int | None,
    nodes: int | None,
    as_json: bool,
) -> None:
    """Show the workflow that the task or saved group TASK_ID is part of, as far as the result store knows it.

    The store knows what tasks have sent, and what came before a result on which result.save() was called. Names are those that result_extended stores.
    Exit code 0: all succeeded; 1: something failed, was revoked, or is gone; 69: it has not ended.
    """
    if as_dot and as_json:
        raise Misuse("--json or --dot? One of them.")
    output = Output.of(context, as_json=as_json or as_dot)
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    app = loaded.app
    if app.store is not None and not app.store.shared:
        raise click.ClickException(
            f"The result store {app.store.public_url()} shows each result to its own caller alone: use another one to look at workflows."
        )
    reader = reader_of(app.AsyncResult(task_id), depth, nodes)
    if following:
        with drawing_tree(output) as show:
            workflow = follow(reader, show)
    else:
        workflow = reader.read()
    if as_dot:
        click.echo(workflow.to_dot(), nl=False)
    elif as_json:
        output.data(workflow.to_dict())
    else:
        columns = terminal_width()
        output.line(tree_text(output, workflow, columns, everything=everything))
    sys.stdout.flush()
    context.exit(exit_code(workflow))


def exit_code(workflow: Workflow) -> int:
    """Return 0 where all tasks succeeded, 1 where one did not or its result is gone, 69 where some have not ended.

    Args:
        workflow: as it was read.
    """
    if workflow.successful():
        return 0
    gone = any(node.state in (states.EXPIRED, states.UNKNOWN) for node in workflow)
    return EX_FAILURE if workflow.failed() or gone else EX_UNAVAILABLE
