"""The parts of an app that running tasks needs, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umbel.brokers.topology import Destination
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.message import Message

if TYPE_CHECKING:
    from umbel.wire.signing.keys import KeyRing

#: Renders one call: (task's name, args, kwargs, calling options) → (id, message, destination).
Prepare = Callable[[str, Sequence[Any], Mapping[str, Any], Mapping[str, Any]], tuple[str, Message, Destination]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The parts of an app that a runner needs, as values."""

    #: Name → task.
    tasks: Mapping[str, Any]
    #: The worker's name.
    hostname: str
    #: Content types that may be decoded.
    accept: frozenset[str]
    #: Bytes that a compressed body may become.
    max_decompressed: int
    #: Results are stored with name, arguments, worker, retries and queue.
    extended: bool
    #: There is a result store.
    stores: bool
    #: What is published gets a record first (``task_store_queued``).
    records_sent: bool = False
    #: The store counts chords.
    counts_chords: bool = False
    #: Tells whether the body of a chord is to run, by the header's id and the claim under which it was sent; see `GroupStore.begin_body`.
    begins_body: Callable[[str, str], bool] | None = None
    #: Error callbacks of a chord are its header's, too (``task_allow_error_cb_on_chord_header``).
    errbacks_in_header: bool = False
    #: Bytes that a chord's body may take in all messages of its header (``task_chord_body_limit``).
    chord_body_limit: int = 0
    #: Seconds between looks at a chord's header, where the store does not count its members; ``None`` where it does.
    polled_every: float | None = None
    #: Seconds that a chord's header has to end (``task_chord_timeout``); ``None`` is no limit.
    chord_timeout: float | None = None
    #: What follows a task inherits its priority (``task_inherit_parent_priority``).
    inherit_priority: bool = False
    #: Priorities are the other way round in messages than in the app (``priority_order``).
    mirrors_priorities: bool = False
    #: Keys that decrypt bodies (``message_encryption_keys``).
    ring: KeyRing | None = None
    prepare: Prepare
    clock: Clock = SYSTEM
