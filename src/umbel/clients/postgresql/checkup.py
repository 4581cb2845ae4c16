"""Facts that a PostgreSQL server tells of itself, and that matter to a broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg

from umbel.clients.finding import Finding, judge
from umbel.clients.postgresql.layout import steps, version
from umbel.runtime.clock import SYSTEM

#: Seconds by which clocks may differ.
_SKEW: Final = 1.0
#: Connections below which it is told.
_ROOM: Final = 10
#: Seconds of a transaction that keeps dead rows from being cleared away.
_LONG: Final = 600.0
_OLDEST: Final = """
    SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xmin IS NOT NULL"""
_CONNECTIONS: Final = (
    "SELECT current_setting('max_connections')::int - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
)


def check(connection: psycopg.Connection, subject: str) -> Iterator[Finding]:
    """Look a server over.

    Args:
        connection: in autocommit mode.
        subject: of the findings.
    """
    good, warning, error = judge(subject)

    def ask(query: str) -> float:
        row = connection.execute(query.encode()).fetchone()
        return float(row[0]) if row else 0.0

    asked = SYSTEM.monotonic()
    ask("SELECT 1")
    yield good(f"PostgreSQL {connection.info.server_version // 10000} answers in {1000 * (SYSTEM.monotonic() - asked):.1f} ms")
    missing = [name for number, name, _ in steps() if number > version(connection)]
    if missing:
        yield warning(f"{', '.join(missing)} has not been run", "the first publisher or worker runs it, or `umbel db upgrade`")
    skew = ask("SELECT extract(epoch FROM clock_timestamp())") - SYSTEM.now()
    if abs(skew) > _SKEW:
        yield warning(f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's", "let NTP set both clocks")
    if (left := ask(_CONNECTIONS)) < _ROOM:
        yield warning(f"it has {left:.0f} connections left", "raise max_connections, or run fewer processes")
    if (age := ask(_OLDEST)) > _LONG:
        yield warning(f"a transaction has been open for {age:.0f} s: what was acknowledged since takes up room until it ends", "end it")
    if ask("SELECT (current_setting('default_transaction_isolation') <> 'read committed')::int"):
        yield error(
            "default_transaction_isolation is not 'read committed': workers that claim at one moment would fail",
            "ALTER ROLE … IN DATABASE … SET default_transaction_isolation = 'read committed' for Umbel's user",
        )
    if ask("SELECT pg_is_in_recovery()::int"):
        yield error("it is a standby and takes no messages", "name the primary, or add ?target_session_attrs=read-write")
