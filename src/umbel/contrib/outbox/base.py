"""The contract of a table that holds an outbox."""

from __future__ import annotations

import os
import socket
import uuid
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

#: Parts of an outbox, on each of which one relay works at a time.
SHARDS: Final = 16
#: The shard of messages that the broker refuses: no relay takes them.
REFUSED: Final = 1000
#: Seconds for which a relay has a shard where the database cannot skip locked rows.
LEASE: Final = 30.0


class Row(NamedTuple):
    """One message at rest."""

    task_id: str
    task: str
    envelope: str
    body: bytes


#: Writes rows in the transaction that is open.
Writer = Callable[[Sequence[Row]], None]


class Batch(Protocol):
    """Some messages of one shard, in their order. What was said of them holds when the block that took them ends, whatever it raises."""

    #: By number, which rises.
    rows: Sequence[tuple[int, Row]]

    def done(self, numbers: Sequence[int]) -> None:
        """Drop messages that the broker has.

        Args:
            numbers: of them.
        """

    def refuse(self, number: int, reason: str) -> None:
        """Put a message aside that the broker will never take.

        Args:
            number: of it.
            reason: in words.
        """


class OutboxTable(Protocol):
    """Holds an outbox. Blocking; used by one thread."""

    def batch(self, most: int) -> AbstractContextManager[Batch | None]:
        """Take the first messages of a shard that nobody else works on, the next one after that of the last time; ``None`` where there are none.

        Args:
            most: messages, at most.
        """

    def close(self) -> None:
        """Disconnect. The table may be used again."""


def shard_of_process() -> int:
    """Return the shard of the messages of this process: they have all the same, so that they keep their order."""
    return zlib.crc32(f"{socket.gethostname()} {os.getpid()}".encode()) % SHARDS


def new_token() -> str:
    """Make the token by which a relay holds a shard: it tells which process that is."""
    return f"{os.getpid()}@{socket.gethostname()[:24]}/{uuid.uuid4().hex[:16]}"


def is_gone(token: str) -> bool:
    """Report whether the process of a relay has ended, so that what it holds is free. Of one on another machine nobody here knows.

    Args:
        token: of the relay.
    """
    pid, _, rest = token.partition("@")
    if os.name != "posix" or not pid.isdecimal() or rest.partition("/")[0] != socket.gethostname()[:24]:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
