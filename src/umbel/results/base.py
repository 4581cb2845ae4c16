"""The contract of a result store. Every store passes the tests of `umbel.testing.result_stores`.

Blocking and thread-safe; a store forgets its connections after a fork. `wait_async` is the one coroutine: for ``await result.aget()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from umbel.brokers.base import Publisher
from umbel.results.group_store import GroupStore
from umbel.results.model import Record

if TYPE_CHECKING:  # few programs that send tasks revoke some
    from umbel.results.revocation_store import RevocationStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """The way to a store, and how to write to it. Made once from the settings."""

    url: str
    #: Seconds that a record is kept; ``None`` is for ever.
    expires: float | None = 86400.0
    #: Seconds that the record of a failure is kept (Redis); ``None`` is as long as others.
    failure_expires: float | None = None
    #: Seconds that what is counted of a chord is kept; ``None`` is as long as records.
    chord_expires: float | None = None
    serializer: str = "json"
    compression: str | None = None
    #: Content types or serializer names that may be read back.
    accept: frozenset[str] = frozenset({"json"})
    #: rpc://: results survive a restart of the broker.
    persistent: bool = False
    #: Keyword arguments for TLS, Celery's ``redis_backend_use_ssl``.
    ssl: bool | Mapping[str, Any] | None = None
    #: Seconds.
    socket_timeout: float = 120.0
    connect_timeout: float = 4.0
    max_connections: int | None = None
    #: Celery's ``result_backend_transport_options`` (global_keyprefix, …).
    transport: Mapping[str, Any] = field(default_factory=dict)


class ResultStore(Protocol):
    """Keeps records by task id."""

    options: StoreOptions
    #: Whether a record can be read by any client and more than once (not so for rpc://).
    shared: bool

    @property
    def reply_to(self) -> str | None:
        """The address that messages carry so that results find back to this client; ``None`` for shared stores."""

    @property
    def groups(self) -> GroupStore | None:
        """Keeps the trees of groups and counts chords; ``None`` where the store cannot (rpc://)."""

    @property
    def revocations(self) -> RevocationStore | None:
        """Keeps which tasks were revoked, for workers that are started later; ``None`` where the store cannot (rpc://)."""

    def expect(self, task_id: str) -> None:
        """A task with this id is about to be sent from here (rpc:// opens its reply queue; others do nothing)."""

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:
        """Record as sent the tasks whose messages this thread publishes next (``task_store_queued``).

        In one transaction with the messages where publisher and store share a file, before them elsewhere.
        """

    def store(self, records: Sequence[Record]) -> None:
        """Write records in one round trip.

        A terminal state (`states.READY_STATES`) that is already stored is never overwritten; such a record is left out in silence.

        Raises:
            OperationalError: the store cannot be reached after its retries.
            EncodeError: a result cannot be serialized (names the task id).
        """

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        """The records there are, in one round trip."""

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        """Return the terminal record as soon as it is stored (push where the store can, else polling).

        Args:
            timeout: seconds; ``None`` waits for ever.
            on_record: called with every state seen on the way (custom states, progress).

        Raises:
            TimeoutError: of `umbel.errors`.
        """

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        """`wait` for coroutines; never blocks the event loop."""

    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop records."""

    def cleanup(self) -> int:
        """Drop what has expired where the store does not do so itself; returns how many."""

    def public_url(self) -> str:
        """Return the URL, without the password."""

    def close(self) -> None:
        """Disconnect. The store may be used again."""


#: Makes a store; registered per URL scheme (entry point group ``umbel.result_stores``).
StoreFactory = Callable[[StoreOptions], ResultStore]
