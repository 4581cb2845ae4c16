"""An event loop that begins a task at once.

What never waits has ended then, and has cost no turn of the loop. Python can do so since 3.12 (``eager_start``). Before that a task schedules its first step by
the loop's ``call_soon``, which is looked up on the loop: so it can be caught there, and be taken at once.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

if sys.version_info >= (3, 12):

    class EagerLoop(asyncio.SelectorEventLoop):
        """An event loop that begins tasks at once."""

        def begin(self, coroutine: Coroutine[Any, Any, Any], name: str | None, context: Context) -> asyncio.Task[Any]:
            """Make a task and take its first step, in a callback of this loop and not in another task.

            Args:
                coroutine: of the task.
                name: of the task.
                context: that it runs in.
            """
            return asyncio.Task(coroutine, loop=self, name=name, context=context, eager_start=True)

else:

    class EagerLoop(asyncio.SelectorEventLoop):
        """An event loop that begins tasks at once."""

        def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
            super().__init__(selector)
            self._step: Callable[[], object] = lambda: None

        def begin(self, coroutine: Coroutine[Any, Any, Any], name: str | None, context: Context) -> asyncio.Task[Any]:
            """Make a task and take its first step, in a callback of this loop and not in another task.

            Args:
                coroutine: of the task.
                name: of the task.
                context: that it runs in.
            """
            self.call_soon = self._catch  # type: ignore[assignment, method-assign]
            try:
                task = asyncio.Task(coroutine, loop=self, name=name, context=context)
            finally:
                del self.call_soon
            context.run(self._step)
            return task

        def _catch(self, callback: Callable[[], object], *, context: Context | None = None) -> None:  # noqa: ARG002 - that of the task
            self._step = callback
