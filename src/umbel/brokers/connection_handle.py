"""`ConnectionHandle`: a broker where a program that was written for Celery wants a connection.

Connections are made, shared and renewed behind it: it asks whether the broker answers, names it, and is passed on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from umbel.brokers.base import Broker
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays


class ConnectionHandle:
    """A broker, with the methods of a connection that monitors use. Also a context manager.

    Args:
        broker: makes or returns the broker.
    """

    connection_errors: ClassVar[tuple[type[BaseException], ...]] = (OperationalError,)
    channel_errors: ClassVar[tuple[type[BaseException], ...]] = ()
    recoverable_connection_errors = connection_errors

    def __init__(self, broker: Callable[[], Broker]) -> None:
        self._broker = broker
        self._drain: Callable[[float | None], object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<ConnectionHandle: {self.as_uri()}>"

    def as_uri(self, include_password: bool = False) -> str:  # noqa: ARG002 - never, whoever asks
        """Return the broker's URL, without the password.

        Args:
            include_password: ignored.
        """
        return self._broker().public_url()

    def connect(self) -> Self:
        """See to it that the broker answers.

        Raises:
            OperationalError: it does not.
        """
        self._broker().broadcaster().connect()
        return self

    def ensure_connection(
        self,
        errback: Callable[[BaseException, float], object] | None = None,
        max_retries: int | None = None,
        interval_start: float = 2.0,
        interval_step: float = 2.0,  # noqa: ARG002 - it doubles
        interval_max: float = 30.0,
        **_options: Any,
    ) -> Self:
        """Wait until the broker answers.

        Args:
            errback: called with each error, and the seconds until the next attempt.
            max_retries: attempts after the first; ``None`` is for ever.
            interval_start: seconds before the second attempt.
            interval_step: ignored; the time doubles.
            interval_max: seconds between two attempts at most.
            _options: ignored.

        Raises:
            OperationalError: it does not answer, and there are no more attempts.
        """
        import time

        for attempt, pause in enumerate(delays(interval_start, most=interval_max)):
            try:
                return self.connect()
            except OperationalError as error:
                if max_retries is not None and attempt >= max_retries:
                    raise
                if errback is not None:
                    errback(error, pause)
                time.sleep(pause)
        raise AssertionError

    @property
    def connected(self) -> bool:
        """Report whether the broker answers."""
        try:
            self.connect()
        except OperationalError:
            return False
        return True

    def clone(self) -> ConnectionHandle:
        """Make another one."""
        return ConnectionHandle(self._broker)

    def channel(self) -> Self:
        """Return itself: there are no channels."""
        return self

    default_channel: property = property(channel)

    def release(self) -> None:
        """Do nothing: the app keeps its connections, and closes them."""

    close = release

    @contextlib.contextmanager
    def draining(self, drain: Callable[[float | None], object]) -> Iterator[None]:
        """Let `drain_events` call a function inside this block.

        Args:
            drain: takes seconds to wait.
        """
        before, self._drain = self._drain, drain
        try:
            yield
        finally:
            self._drain = before

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for what the receiver around this call listens to, and hand it on.

        Args:
            timeout: seconds; ``None`` is for ever.

        Raises:
            OperationalError: nobody listens.
            TimeoutError: nothing came in time.
        """
        if self._drain is None:
            raise OperationalError("nobody listens here: call drain_events() inside `with receiver.consumer_context() as (connection, …)`")
        self._drain(timeout)
