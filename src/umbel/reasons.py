"""Reasons of dead letters: one word for one cause, whichever part of a worker found it."""

from __future__ import annotations

import enum


class DeadReason(enum.StrEnum):
    """The machine-readable word that is stored with a dead letter; ``umbel dead --reason`` takes it."""

    #: The message cannot be used.
    INVALID_MESSAGE = "invalid_message"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    UNSUPPORTED_WORKFLOW = "unsupported_workflow"
    UNDECODABLE = "undecodable"
    CONTENT_DISALLOWED = "content_disallowed"
    TOO_LARGE = "too_large"
    #: It is not signed, or was changed, or is a copy of one that has run, or may be one: see `umbel.wire.signing.seals`.
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    REPLAYED = "replayed"
    OUTDATED = "outdated"
    #: No worker that has seen it knows its task.
    UNREGISTERED = "unregistered"
    #: It ran, and ended so.
    FAILED = "failed"
    REJECTED = "rejected"
    #: A time limit passed, the soft one or the hard one.
    TIME_LIMIT = "time_limit"
    #: The workers or children that ran it died, too often.
    WORKER_LOST = "worker_lost"
    #: What follows it cannot be sent: no queue takes it, it cannot be written, the broker refuses it.
    UNROUTABLE = "unroutable"
    UNENCODABLE = "unencodable"
    REFUSED = "refused"
