"""The contract of lease stores. Every one passes the tests of `umbel.testing.lease_stores`.

A *lease* is a hold on a name that ends by itself unless it is renewed. A name has one owner at a time, or as many as its limit says. Whoever asks names itself by
a token that nobody else has, and only this token renews a lease or gives it up: who was too late, and lost a lease to somebody else, changes nothing any more.

*Turns* are evenly spaced moments at a name, handed out one by one to whoever asks: the common rate of many workers.

Times are measured by one clock for all, the server's: how the clocks of clients stand does not matter. Where that clock is set back, a lease ends at the latest
so many seconds after the next look at its name as it was asked for.

Blocking and thread-safe; a store forgets its connections after a fork. Whatever takes a list does it in one step, in its order, for one round trip or little more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

#: Characters of a name or an owner that every store can keep.
MOST_CHARACTERS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOptions:
    """The way to a lease store. Made once from the settings."""

    url: str
    #: Before every key, where the server is shared (``global_keyprefix``).
    prefix: str = ""
    #: Seconds for which a server that is away is waited for.
    patience: float = 5.0
    #: Keyword arguments for TLS.
    ssl: bool | Mapping[str, Any] | None = None
    #: Seconds.
    socket_timeout: float = 10.0
    connect_timeout: float = 4.0
    max_connections: int | None = None
    #: Options of the server's client (``result_backend_transport_options`` and the like).
    transport: Mapping[str, Any] = field(default_factory=dict)


class Lease(NamedTuple):
    """A hold on a name, as it is asked for, renewed and given up."""

    name: str
    #: A token that nobody else has.
    owner: str
    #: From now.
    seconds: float
    #: Owners that may hold the name at a time.
    limit: int = 1
    #: Take the name from all who hold it.
    takes_over: bool = False


class Grant(NamedTuple):
    """The answer to a `Lease` that was asked for."""

    is_held: bool
    #: Another owner of the name, or the one that it was taken from; of several the one whose lease ends first. Empty: there is none.
    other: str = ""
    #: Until that one's lease ends, if it is not renewed.
    seconds: float = 0.0


class Holder(NamedTuple):
    """An owner of a name."""

    owner: str
    #: Until its lease ends, if it is not renewed.
    seconds: float


class Turn(NamedTuple):
    """A moment at a name, as it is asked for."""

    name: str
    #: Seconds between two turns.
    interval: float
    #: Seconds from now within which the turn must be; a later one is not taken.
    within: float
    #: Seconds by which a turn may have been missed and be made up for; a minute at most.
    slack: float = 0.0


class Booking(NamedTuple):
    """The answer to a `Turn` that was asked for."""

    is_booked: bool
    #: Until the turn; where it is not booked, until it may be.
    seconds: float


class LeaseStore(Protocol):
    """Keeps leases and turns by name.

    Each method raises `OperationalError` where the server cannot be reached within `LeaseOptions.patience`. What was asked for may have been done all the same:
    to ask again, by the same owner, does nothing twice (but a turn).
    """

    options: LeaseOptions

    def acquire(self, leases: Sequence[Lease]) -> list[Grant]:
        """Ask for ``leases``. Who holds one already has it for so many seconds from now, more or fewer than before."""

    def renew(self, leases: Sequence[Lease]) -> list[bool]:
        """Hold ``leases`` for so many seconds from now, or as long as before if that is longer; returns of each whether its owner still had it.

        Else nothing changes.
        """

    def release(self, leases: Sequence[Lease]) -> list[bool]:
        """Give ``leases`` up; returns of each whether its owner still had it. Else nothing changes."""

    def holders(self, name: str) -> list[Holder]:
        """Return the owners of ``name``, the one whose lease ends first at the front."""

    def take_turns(self, turns: Sequence[Turn]) -> list[Booking]:
        """Ask for ``turns``."""

    def public_url(self) -> str:
        """Return the URL, without the password."""

    def close(self) -> None:
        """Disconnect. The store may be used again; what is held stays so."""


#: Makes a store; registered per URL scheme (entry point group ``umbel.lease_stores``).
LeaseStoreFactory = Callable[[LeaseOptions], LeaseStore]
