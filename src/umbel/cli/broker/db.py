"""``umbel db``: the tables of a broker in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from umbel.brokers.registry import connect
from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, Group, json_option
from umbel.cli.output import Output

if TYPE_CHECKING:
    from umbel.brokers.postgresql.broker import PostgresqlBroker


@click.group(cls=Group)
def command() -> None:
    """Make the tables of a broker in PostgreSQL, or print the SQL that makes them.

    Publishers and workers make them when they are first used, unless broker_transport_options has create_tables off.
    """


@command.command("upgrade", cls=Command, short_help="Make tables and functions that are missing.")
@json_option
@click.pass_context
def upgrade(context: click.Context, as_json: bool) -> None:
    """Make tables and functions that are missing.

    Run it as a user who may make tables: `umbel -b postgresql://owner:password@host/database db upgrade`. It may be run as often as you like.
    """
    from umbel.clients.postgresql import layout

    output = Output.of(context, as_json=as_json)
    broker = _broker(context)
    names = broker.database.upgrade()
    if as_json:
        output.data({"ran": names, "version": layout.steps()[-1][0]})
        return
    for name in names:
        output.line(f"Ran {name}.")
    if not names:
        output.line(f"Nothing to do at {broker.public_url()}.")


@command.command("show-sql", cls=Command, short_help="Print the SQL that makes the tables and functions.")
@click.option("--after", type=click.IntRange(0), default=0, help="Leave out what was run up to this number.")
@click.pass_context
def show_sql(context: click.Context, after: int) -> None:
    """Print the SQL that makes the tables and functions, as one transaction for psql. Nothing is connected to."""
    from umbel.clients.postgresql import layout

    Output.of(context).line(layout.script(after).rstrip())


def _broker(context: click.Context) -> PostgresqlBroker:
    """Return the broker of the app.

    Raises:
        click.UsageError: it is in no database.
    """
    from umbel.app.connections import broker_options

    app = load(GlobalOptions.of(context)).app
    broker = connect(broker_options(app.conf, role="write"))
    if not hasattr(broker, "database"):
        raise click.UsageError(
            f"the broker is {broker.public_url()}, which has no tables to make: expected -b postgresql://user:password@host/database",
            context,
        )
    found: PostgresqlBroker = broker  # type: ignore[assignment]
    return found
