"""Reply codes with which RabbitMQ refuses, and which of them last (AMQP 0-9-1, section 1.2; RabbitMQ's "errata")."""

from __future__ import annotations

from typing import Final

ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
RESOURCE_LOCKED: Final = 405
PRECONDITION_FAILED: Final = 406

#: Refusals of a login or of a virtual host.
LOGIN_REFUSED: Final = frozenset({ACCESS_REFUSED, 530})

#: Another time may go well: no room or consumers (311, 313), somebody closed the connection (320), the object is missing, is held by
#: another connection, or is short of something (404, 405, 506), the broker itself fails (541).
_PASSING: Final = frozenset({311, 313, 320, NOT_FOUND, RESOURCE_LOCKED, 506, 541})


def is_permanent(code: int) -> bool:
    """Return whether the same operation will be refused again, however often it is tried.

    Args:
        code: the reply code of a channel.close or connection.close; 0 when there was none.
    """
    return code >= 300 and code not in _PASSING
