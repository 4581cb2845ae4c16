"""The paused queues, kept in RabbitMQ as bindings: each paused queue's name is the routing key of one.

They bind a durable queue to a durable exchange, both named ``umbel.paused``. RabbitMQ does not list bindings to its clients, so a client asks by a
message: one that no binding takes comes back (``mandatory``). What is taken goes to the queue, which keeps nothing (``x-max-length`` 0). All names are
asked about in one round trip, no refusal is provoked, and `rabbitmqctl list_bindings` shows the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pamqp import base, commands

from umbel.brokers.amqp.topology import bind_queue, declare_queue
from umbel.brokers.topology import Exchange, Queue
from umbel.wire.amqp.methods import method
from umbel.wire.amqp.rendering import render_message, render_publish
from umbel.wire.message import Message

#: Name of the exchange and of the queue.
NAME: Final = "umbel.paused"
_QUEUE: Final = Queue(NAME, Exchange(NAME), NAME, arguments={"x-queue-type": "classic", "x-max-length": 0})


def declare() -> list[base.Frame]:
    """The exchange and the queue. Where the queue's node is down this is refused: then what is paused cannot be told."""
    return declare_queue(_QUEUE)


def bind(name: str) -> base.Frame:
    """Pause the queue ``name``."""
    return bind_queue(NAME, NAME, name)


def unbind(name: str) -> base.Frame:
    """Resume the queue ``name``."""
    return method(commands.Queue.Unbind, queue=NAME, exchange=NAME, routing_key=name)


def questions(names: Sequence[str], channel: int, frame_max: int) -> bytes:
    """Render a message for each name; those that are not paused come back.

    Args:
        names: of queues.
        channel: number of the channel.
        frame_max: bytes of the largest frame.

    Raises:
        EncodeError: RabbitMQ allows no such name.
    """
    message = Message(b"", {})
    return b"".join(render_message(channel, render_publish(channel, NAME, name, mandatory=True), message, frame_max) for name in names)
