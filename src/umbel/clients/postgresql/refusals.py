"""Errors of PostgreSQL in plain words, and which of them pass by themselves."""

from __future__ import annotations

from typing import Final

from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from umbel.clients.postgresql.addresses import Address
from umbel.errors import AccessRefused, OperationalError

#: SQLSTATE that our functions raise: the holder has been given up.
GIVEN_UP: Final = b"UM001"
#: No such table, function or procedure; no such schema.
ABSENT: Final = frozenset({b"42P01", b"42883", b"3F000"})
#: Classes of SQLSTATE that refuse a person, and single ones.
_REFUSED: Final = frozenset({b"28000", b"28P01", b"42501", b"3D000"})
#: Classes that pass: connection, transaction rollback, resources, intervention of an operator, system; an object that is not ready.
_PASSING: Final = frozenset({b"08", b"40", b"53", b"55", b"57", b"58", b"25"})


class HolderGivenUp(OperationalError):
    """The lease of the holder has run out, and others have its messages."""


class TablesMissing(OperationalError):
    """A table or function of ours is not there."""


def refusal(result: PGresult, address: Address) -> OperationalError:
    """Say what a server answered instead of a result.

    Args:
        result: the answer.
        address: of the server.
    """
    state = result.error_field(DiagnosticField.SQLSTATE) or b""
    said = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"an error").decode(errors="replace")
    text = f"{address.public()}: {address.without_password(said)} ({state.decode()})"
    if state == GIVEN_UP:
        return HolderGivenUp(text)
    if state in _REFUSED:
        return AccessRefused(text)
    if state in ABSENT:
        return TablesMissing(
            f"{text}: the tables and functions of Umbel are not there, or not on the search_path; `umbel db upgrade` makes them",
            permanent=True,
        )
    return OperationalError(text, permanent=state[:2] not in _PASSING)


def lost(error: BaseException, address: Address) -> OperationalError:
    """Say that a connection could not be made, or was lost.

    Args:
        error: of psycopg.
        address: of the server.
    """
    said = " ".join(address.without_password(str(error)).split()) or type(error).__name__
    text = f"{address.public()}: {said}"
    low = said.lower()
    refused = any(words in low for words in ("authentication failed", "no pg_hba.conf entry", "no password supplied", "does not exist"))
    return AccessRefused(text) if refused else OperationalError(text)
