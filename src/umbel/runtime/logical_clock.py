"""The logical clock of a process (Lamport's): a number that orders events of processes whose clocks differ.

It goes forward with each message that is sent, and beyond that of each message that is received.
"""

from __future__ import annotations

import threading
from typing import Final

#: A clock does not follow others beyond this: no fleet gets here by itself, and the number stays exact in every JSON library.
MOST: Final = 1 << 53


class LogicalClock:
    """Counts. Thread-safe.

    Args:
        value: to begin with.
    """

    def __init__(self, value: int = 0) -> None:
        self.value: int = value
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<LogicalClock: {self.value}>"

    def forward(self, count: int = 1) -> int:
        """Go forward before something is sent; returns the new value.

        Args:
            count: how many things are sent: the last of them gets the new value, those before it the values below.
        """
        with self._lock:
            self.value += count
            return self.value

    def adjust(self, other: object) -> int:
        """Go beyond the clock that a message came with; returns the new value.

        Args:
            other: what the message says. What is no number of a clock is passed over.
        """
        with self._lock:
            if type(other) is int and self.value < other <= MOST:
                self.value = other
            self.value += 1
            return self.value

    def reset_lock(self) -> None:
        """Make the lock anew in a forked child, where nobody may ever release it."""
        self._lock = threading.Lock()
