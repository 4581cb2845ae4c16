"""Leases: the holders of unsettled messages, and for how long they have them, by the server's clock.

A consumer registers one holder and claims messages in its name; the lease is the holder's, so that renewing it is one row however many
messages it holds. What a holder does to a message has ``holder = …`` in it: once the holder is given up, it changes nothing any more. A turn locks
the holder's row, so that nobody can give the holder up between its looking and its claiming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.pq.abc import PGresult

from umbel.clients.postgresql.values import FLOAT8, Statement, double, integer, number, text, texts, truth

_REGISTER: Final = b"INSERT INTO umbel_holders (name, lease, until) VALUES ($1, $2, umbel_now() + $2) RETURNING id"
_RENEW: Final = b"UPDATE umbel_holders SET until = umbel_now() + lease WHERE id = $1 RETURNING id"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Findings of an upkeep."""

    #: The holder has not been given up.
    is_alive: bool
    #: Seconds until the next delayed message is due, of whatever queue.
    next_due: float | None
    #: There are ready messages in the holder's queues.
    is_ready: bool

    @classmethod
    def of(cls, result: PGresult) -> Upkeep:
        """Read the answer to `upkeep`.

        Args:
            result: of the server.
        """
        return cls(result.get_value(0, 0) == b"\x01", double(result.get_value(0, 1)), result.get_value(0, 2) == b"\x01")


def register(name: str, lease: float) -> Statement:
    """Make a holder.

    Args:
        name: for people.
        lease: seconds.
    """
    return Statement(_REGISTER, (text(name), number(float(lease), FLOAT8)))


def renew(holder: int) -> Statement:
    """Extend a lease; no row comes back when the holder was given up.

    Args:
        holder: its id.
    """
    return Statement(_RENEW, (number(holder),))


def adopt(old: int, new: int) -> Statement:
    """Give all that one holder has to another; the answer is false where it was given up before.

    Args:
        old: its id.
        new: the other's id.
    """
    return Statement(b"SELECT umbel_adopt($1, $2)", (number(old), number(new)))


def upkeep(holder: int, queues: Sequence[str], *, may_restore: bool) -> Statement:
    """Extend a lease, give back what the dead hold, promote what is due, and look.

    Args:
        holder: its id.
        queues: it consumes from.
        may_restore: give back what the dead hold.
    """
    return Statement(b"SELECT * FROM umbel_upkeep($1, $2, $3)", (number(holder), texts(queues), truth(may_restore)))


def sleep(holder: int, queues: Sequence[str]) -> Statement:
    """Have a holder be told of new messages.

    Args:
        holder: its id.
        queues: in which.
    """
    return Statement(b"UPDATE umbel_holders SET waits_for = $2 WHERE id = $1", (number(holder), texts(queues)))


def held(holder: int) -> Statement:
    """Ask for the ids of what a holder holds.

    Args:
        holder: its id.
    """
    return Statement(b"SELECT id FROM umbel_messages WHERE holder = $1 AND holder > 0", (number(holder),))


def ids_in(result: PGresult) -> set[int]:
    """Read the ids in the first column of an answer.

    Args:
        result: of the server.
    """
    return {integer(result.get_value(row, 0)) for row in range(result.ntuples)}


def release(holder: int) -> Statement:
    """End a holder in good order: its messages go back uncounted.

    Args:
        holder: its id.
    """
    return Statement(b"SELECT umbel_release($1, false)", (number(holder),))
