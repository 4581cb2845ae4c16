"""The channels of an AMQP connection, and the error that ends one."""

from __future__ import annotations

from typing import Final

from umbel.errors import OperationalError
from umbel.wire.amqp.refusals import is_permanent

#: Opened to declare something and closed again, on connections of clients and workers alike: a refusal closes no channel that matters.
#: Messages travel on channels 1 and 2.
TOPOLOGY_CHANNEL: Final = 3


class ChannelError(OperationalError):
    """The broker closed the channel.

    Args:
        code: the broker's reply code, such as 404.
        text: the broker's reply text.
    """

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"RabbitMQ refused the operation: {code} {text}", permanent=is_permanent(code))
