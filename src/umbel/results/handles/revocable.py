"""The part of a result that has its task not run (any more)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Revocable:
    """A result whose task can be revoked; for `umbel.results.handles.async_result.AsyncResult`."""

    id: str
    app: Any

    def revoke(
        self,
        connection: Any = None,
        terminate: bool = False,
        signal: str | int | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Have the task not run, by any worker: it becomes REVOKED as soon as a worker has its message in hand.

        Args:
            connection: Celery's; without effect.
            terminate: end it, too, if it runs.
            signal: by which it is ended (SIGTERM); see `umbel.control.calls.Calls.revoke`.
            wait: wait for the replies of workers, and return them.
            timeout: seconds to wait for them.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        del connection
        return self.app.control.revoke(self.id, terminate=terminate, signal=signal, reply=wait, timeout=timeout)

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        connection: Any = None,
        terminate: bool = False,
        signal: str | int | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Have all tasks not run that carry one of these stamps.

        Args:
            headers: the name of a stamp → its value, or several.
            connection: Celery's; without effect.
            terminate: as for `revoke`.
            signal: as for `revoke`.
            wait: as for `revoke`.
            timeout: as for `revoke`.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        del connection
        return self.app.control.revoke_by_stamped_headers(headers, terminate=terminate, signal=signal, reply=wait, timeout=timeout)

    async def arevoke(self, **options: Any) -> Any:
        """`revoke` for coroutines.

        Args:
            **options: arguments of `revoke`.
        """
        import asyncio

        return await asyncio.to_thread(self.revoke, **options)
