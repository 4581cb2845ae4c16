"""How often a publishing thread tries again to reach the broker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Retries(threading.local):
    """The attempts after the first that this thread makes: as the options say, or as the call under way does.

    Args:
        usual: of the options.
    """

    def __init__(self, usual: int) -> None:
        self.allowed = usual

    @contextlib.contextmanager
    def limited(self, allowed: int) -> Iterator[None]:
        """Allow so many inside this block."""
        before, self.allowed = self.allowed, allowed
        try:
            yield
        finally:
            self.allowed = before
