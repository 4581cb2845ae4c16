"""From a job to a call: which task, with what, and what follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umbel.errors import MessageError
from umbel.execution.model import Job
from umbel.messages import protocols, v2
from umbel.messages.model import TaskMessage
from umbel.messages.validation import check_embed
from umbel.wire.message import Message
from umbel.wire.signing import ENCRYPTED

if TYPE_CHECKING:
    from umbel.wire.signing.keys import KeyRing

#: Characters; a longer id is none.
_MAX_ID = 255


@dataclass(slots=True)
class DecodedCall:
    """The call that a job asks for."""

    name: str
    task_id: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    #: Protocol 2's headers, whatever the protocol.
    fields: Mapping[str, Any]
    #: ``None`` when nothing follows.
    embed: Mapping[str, Any] | None


def decode(job: Job, accept: frozenset[str], limit: int, ring: KeyRing | None = None) -> DecodedCall:
    """Read a job.

    Args:
        job: headers as received; they are checked where they decide something.
        accept: content types that may be decoded.
        limit: bytes of the decompressed body.
        ring: keys, where bodies may be encrypted.

    Raises:
        MessageError: it cannot be read; its `reason` says why.
    """
    message = Message(job.body, job.headers, job.content_type, job.content_encoding, job.properties)
    if job.content_type == ENCRYPTED:
        from umbel.wire.signing.seals import unseal  # few messages are

        message = unseal(message, ring)
    payload = v2.decode(message, accept, limit)
    name, task_id = job.headers.get("task"), job.headers.get("id")
    if type(name) is str and type(task_id) is str and isinstance(payload, (list, tuple)) and len(payload) == 3:
        args, kwargs, embed = payload
        if isinstance(args, (list, tuple)) and isinstance(kwargs, dict):
            if not embed or not any(embed.values()) if isinstance(embed, dict) else embed is None:
                return DecodedCall(name, task_id, args, kwargs, job.headers, None)
            check_embed(embed)
            return DecodedCall(name, task_id, args, kwargs, job.headers, embed)
    return _from_message(protocols.parse(message, accept=accept, limit=limit))


def _from_message(task: TaskMessage) -> DecodedCall:
    embed = v2.embed_dict(task.embed)
    return DecodedCall(task.task, task.id, task.args, task.kwargs, v2.headers(task), embed if any(embed.values()) else None)


def task_id_of(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Find the id in the ``headers`` or ``properties`` of a message that could not be read; empty where there is none.

    Protocol 1 has it among the properties only.
    """
    for found in (headers.get("id"), properties.get("correlation_id")):
        if isinstance(found, str) and 0 < len(found) <= _MAX_ID:
            return found
    return ""


def reason_of(error: BaseException) -> str:
    """Return the dead letter's reason for ``error``."""
    return error.reason if isinstance(error, MessageError) else MessageError.reason
