"""The service that revokes tasks: those to come, those that wait here, and, where that is asked for, those that run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from umbel.runtime.clock import SYSTEM
from umbel.runtime.service import Service
from umbel.worker.gates.base import Gates
from umbel.worker.gates.revoked import RevokedIds
from umbel.worker.intake import Intake
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import LOOK
from umbel.worker.task_index import TaskIndex, is_active
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.reserved import EndReason, ReservedTask
from umbel.worker.tasks.waiting_room import Waiting


class Revoking(Service):
    """Revokes tasks by their ids.

    Args:
        revoked: remembers ids, for messages that are to come.
        gates: it is one of them.
        index: finds what is here.
        dispatcher, intake: have it.
        acknowledger: ends it.
    """

    def __init__(
        self, revoked: RevokedIds, gates: Gates, index: TaskIndex, dispatcher: Dispatcher, intake: Intake, acknowledger: Acknowledger
    ) -> None:
        super().__init__()
        self._revoked = revoked
        self._gates = gates
        self._index = index
        self._dispatcher = dispatcher
        self._intake = intake
        self._acknowledger = acknowledger
        self._loop: asyncio.AbstractEventLoop | None = None

    async def begin(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def end(self) -> None:
        self._loop = None

    def revoke(self, task_ids: Collection[str], *, terminate: bool) -> None:
        """Revoke tasks; from any thread.

        Args:
            task_ids: of any tasks.
            terminate: end those that run, too.
        """
        loop = self._loop
        if loop is None:  # nothing is here yet
            self._remember(task_ids)
            return
        with contextlib.suppress(RuntimeError):  # the loop has just closed: nothing is here any more
            loop.call_soon_threadsafe(self._revoke, task_ids, terminate)

    def _remember(self, task_ids: Collection[str]) -> None:
        self._revoked.add(task_ids, SYSTEM.monotonic())
        self._gates.update()

    def _revoke(self, task_ids: Collection[str], terminate: bool) -> None:
        self._remember(task_ids)
        for found in list(self._index.find_all(task_ids)):
            if isinstance(found, Waiting):
                self._intake.holding.forget({found.delivery})
                self._acknowledger.revoke(self._intake.reserve(found.delivery))
            else:
                self._end(found, terminate)

    def _end(self, task: ReservedTask, terminate: bool) -> None:
        """Take a task back, or end it where it runs."""
        if self._dispatcher.take(task):
            self._acknowledger.revoke(task)
        elif terminate and self._dispatcher.holds(task) and task.slot is not None and self._loop is not None:
            if is_active(task):
                task.end_reason = EndReason.REVOKED
                task.slot.child.kill()
            else:  # it is about to begin, or has just ended
                self._loop.call_later(LOOK, self._end, task, terminate)
