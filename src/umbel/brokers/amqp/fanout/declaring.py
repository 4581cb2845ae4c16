"""The declarations of a queue of one's own. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pamqp import base, commands

from umbel.brokers.amqp.topology import declare_queue
from umbel.brokers.topology import Queue
from umbel.clients.amqp.channels import ChannelError
from umbel.errors import OperationalError
from umbel.wire.amqp.refusals import ACCESS_REFUSED


class Declarations(NamedTuple):
    """The methods for one queue: those that may be refused, and those that may not."""

    #: An exchange is everybody's: it may have other properties than ours, and we may have no permission to declare it.
    exchanges: list[base.Frame]
    #: The queue and its bindings.
    queue: list[base.Frame]


def declarations(queue: Queue) -> Declarations:
    """Split what is to be declared for a queue, each exchange once.

    Args:
        queue: the queue, with its bindings.
    """
    exchanges: dict[str, base.Frame] = {}
    rest: list[base.Frame] = []
    for frame in declare_queue(queue):
        if isinstance(frame, commands.Exchange.Declare):
            exchanges.setdefault(frame.exchange, frame)
        else:
            rest.append(frame)
    return Declarations(list(exchanges.values()), rest)


def is_tolerable(error: ChannelError) -> bool:
    """Return whether an exchange may be used though declaring it was refused.

    Args:
        error: the refusal.
    """
    return error.code == ACCESS_REFUSED


def refused(queue: Queue, text: str) -> OperationalError:
    """Make the error for a queue that exists with other arguments, which is not ours then.

    Args:
        queue: as we would have it.
        text: the broker's.
    """
    return OperationalError(f"queue {queue.name!r} exists with other arguments than {dict(queue.arguments)!r}: {text}", permanent=True)
