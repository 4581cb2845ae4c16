"""Facts that an SQL server tells of itself, and that matter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from umbel.clients.finding import Finding, judge
from umbel.runtime.clock import SYSTEM

#: Seconds by which clocks may differ.
_SKEW: Final = 1.0


def check(connection: Connection, subject: str) -> Iterator[Finding]:
    """Look a server over.

    Args:
        connection: inside a transaction.
        subject: of the findings.
    """
    good, warning, _ = judge(subject)
    dialect = connection.dialect
    version = ".".join(str(part) for part in dialect.server_version_info or ())
    asked = SYSTEM.monotonic()
    connection.execute(sa.text("SELECT 1"))
    yield good(f"{dialect.name} {version} answers in {1000 * (SYSTEM.monotonic() - asked):.1f} ms")
    if dialect.name == "sqlite":
        return
    utc = "UTC_TIMESTAMP(6)" if dialect.name in ("mysql", "mariadb") else "clock_timestamp() AT TIME ZONE 'UTC'"
    now: dt.datetime = connection.execute(sa.text(f"SELECT {utc}")).scalar_one()
    skew = now.replace(tzinfo=dt.UTC).timestamp() - SYSTEM.now()
    if abs(skew) > _SKEW:
        yield warning(f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's", "let NTP set both clocks")
