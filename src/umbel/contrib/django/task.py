"""`DjangoTask`: tasks that are sent when the transaction that asks for them has been committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from umbel.app.proxies import new_id
from umbel.app.sending.options import arguments
from umbel.app.sending.plans import plans_of
from umbel.app.task.task import Task
from umbel.results.handles import AsyncResult


class DjangoTask(Task[..., Any]):
    """A task of a Django project."""

    abstract = True

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Do `delay` when the current transaction has been committed, at once where there is none; returns the handle that the call will have.

        Where the settings want an outbox (``UMBEL_OUTBOX``) it is `delay`, which belongs to the transaction by then.

        Args:
            *args: positional arguments of the task.
            **kwargs: keyword arguments of the task.

        Raises:
            TypeError: the function takes other arguments.
        """
        return self.apply_async_on_commit(args, kwargs)

    def apply_async_on_commit(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, *, using: str | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Do `apply_async` when the current transaction has been committed, at once where there is none; returns the handle that the call will have.

        Args:
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
            using: the database whose transaction is meant; the default one when not given.
            **options: as in `apply_async`.

        Raises:
            TypeError: the function takes other arguments.
        """
        from django.db import transaction

        from umbel.contrib.django import preparing

        if preparing.has_outbox(self.app, using):
            return self.apply_async(args, kwargs, **options)
        given, named = arguments(args, kwargs)
        if (check := plans_of(self).check) is not None:
            check(given, named)  # here, where it can be seen whose fault it is; after the commit it would be too late
        task_id = options.setdefault("task_id", new_id())
        done: list[AsyncResult[Any]] = []
        transaction.on_commit(lambda: done.append(self.apply_async(given, named, **options)), using=using)
        if done:
            return done[0]
        handle: AsyncResult[Any] = self.app.handle(task_id, self.name)
        return handle
