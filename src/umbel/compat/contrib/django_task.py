"""`DjangoTask`: tasks that are sent when the transaction that asks for them has been committed."""

from __future__ import annotations

import functools
from typing import Any

from umbel.app.task.task import Task


class DjangoTask(Task[..., Any]):
    """A task of a Django project."""

    abstract = True

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Do `delay` when the current transaction has been committed; at once where there is none.

        Args:
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
        """
        _on_commit(functools.partial(self.delay, *args, **kwargs))

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Do `apply_async` when the current transaction has been committed; at once where there is none.

        Args:
            args: of `apply_async`; ``using`` among its keyword arguments names the database.
            kwargs: of `apply_async`.
        """
        using = kwargs.pop("using", None)
        _on_commit(functools.partial(self.apply_async, *args, **kwargs), using)


def _on_commit(call: Any, using: str | None = None) -> None:
    from django.db import transaction  # type: ignore[import-not-found,unused-ignore]

    transaction.on_commit(call, using=using)
