"""Task states, the named sets of them, and which outranks which.

The strings are Celery's (5.7, ``celery.states``) and travel in results. `EXPIRED` and `UNKNOWN` are Umbel's: they are never stored,
only concluded from a missing record (see `umbel.results`).
"""

from __future__ import annotations

from typing import Final

PENDING: Final = "PENDING"
RECEIVED: Final = "RECEIVED"
STARTED: Final = "STARTED"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
REJECTED: Final = "REJECTED"
RETRY: Final = "RETRY"
IGNORED: Final = "IGNORED"
#: The id is older than result_expires and there is no record.
EXPIRED: Final = "EXPIRED"
#: The id was never sent (known only with task_store_queued).
UNKNOWN: Final = "UNKNOWN"

READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES: Final = frozenset({PENDING, RECEIVED, STARTED, REJECTED, RETRY})
EXCEPTION_STATES: Final = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES: Final = frozenset({FAILURE, REVOKED})
ALL_STATES: Final = frozenset({PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, RETRY, REVOKED})

#: From the highest rank to the lowest; ``None`` stands for every custom state.
PRECEDENCE: Final[tuple[str | None, ...]] = (SUCCESS, FAILURE, None, REVOKED, STARTED, RECEIVED, REJECTED, RETRY, PENDING)
_RANK: Final = {name: rank for rank, name in enumerate(PRECEDENCE)}
NONE_PRECEDENCE: Final = _RANK[None]


def precedence(name: str | None) -> int:
    """Return the rank of the state ``name``: 0 is the highest, custom states stand between FAILURE and REVOKED."""
    return _RANK.get(name, NONE_PRECEDENCE)


class state(str):  # noqa: N801 - Celery's name
    """A state that compares by rank: ``state(SUCCESS) > state(PENDING)``."""

    __slots__ = ()

    def __gt__(self, other: str) -> bool:
        return precedence(self) < precedence(other)

    def __ge__(self, other: str) -> bool:
        return precedence(self) <= precedence(other)

    def __lt__(self, other: str) -> bool:
        return precedence(self) > precedence(other)

    def __le__(self, other: str) -> bool:
        return precedence(self) >= precedence(other)
