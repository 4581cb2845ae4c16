"""`EnlistedTask`: a task whose calls are part of the caller's own transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from umbel.brokers.enlisting import enlisted
from umbel.errors import ImproperlyConfigured
from umbel.typing import P, R

if TYPE_CHECKING:
    from umbel.results.handles.async_result import AsyncResult


@contextlib.contextmanager
def in_transaction(app: Any, connection: Any) -> Iterator[None]:
    """Have what an app publishes inside the block be part of a transaction.

    Args:
        app: publishes.
        connection: of the caller's, in the broker's database.

    Raises:
        ImproperlyConfigured: the app's broker is in no database, or it is no such connection.
    """
    broker = app.connections.write_broker
    if not broker.capabilities.transactions:
        raise ImproperlyConfigured(
            f"using(connection) needs a broker in the connection's own database, postgresql://…; this app's is {broker.public_url()}"
        )
    with enlisted(connection):
        yield


class EnlistedTask(Generic[P, R]):
    """A task and a connection, as `Task.using` returns it.

    Args:
        task: to call.
        connection: of the caller's.
    """

    def __init__(self, task: Any, connection: Any) -> None:
        self._task = task
        self._connection = connection

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send the task when the caller commits.

        Args:
            *args: positional arguments of the task.
            **kwargs: keyword arguments of the task.

        Raises:
            PublishError: the message could not be written.
        """
        with in_transaction(self._task.app, self._connection):
            handle: AsyncResult[R] = self._task.delay(*args, **kwargs)
        return handle

    def apply_async(self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult[R]:
        """Send the task, with options, when the caller commits.

        Args:
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
            **options: see `Task.apply_async`.

        Raises:
            PublishError: the message could not be written.
        """
        with in_transaction(self._task.app, self._connection):
            handle: AsyncResult[R] = self._task.apply_async(args, kwargs, **options)
        return handle

    def delay_many(self, calls: Iterable[Any], **options: Any) -> list[AsyncResult[R]]:
        """Send one message for each item when the caller commits.

        Args:
            calls: see `Task.delay_many`.
            **options: see `Task.apply_async`.

        Raises:
            PublishError: a message could not be written.
        """
        with in_transaction(self._task.app, self._connection):
            handles: list[AsyncResult[R]] = self._task.delay_many(calls, **options)
        return handles
