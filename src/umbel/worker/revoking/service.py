"""The service that revokes tasks: those to come, those that wait here, and, where that is asked for, those that run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal as signals
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from umbel.results.revocation_store import is_id, stamp_entry, stamp_of
from umbel.runtime.clock import SYSTEM
from umbel.runtime.service import Service
from umbel.worker.gates.base import Gates
from umbel.worker.gates.revoked import Revoked, RevokedIds, RevokedStamps, Stamp, stamps_of
from umbel.worker.intake import Intake
from umbel.worker.revoking.keeping import Keeping
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.ending import Endings
from umbel.worker.slots.limits import LOOK
from umbel.worker.task_index import TaskIndex, is_active
from umbel.worker.tasks.acknowledging import Acknowledger
from umbel.worker.tasks.reserved import EndReason, ReservedTask
from umbel.worker.tasks.waiting_room import Waiting

logger: logging.Logger = logging.getLogger("umbel.worker")

#: By which a task is ended that asks for nothing else; and the one that does not end its child, but interrupts the task.
KILL: Final = getattr(signals, "SIGKILL", signals.SIGTERM)
_INTERRUPT: Final = getattr(signals, "SIGUSR1", None)


class CannotTerminate(ValueError):
    """A task that runs cannot be ended in this pool."""


class Revoking(Service):
    """Revokes tasks by their ids and by their stamps.

    Args:
        revoked: remembers, for messages that are to come.
        gates: its gates are among them.
        index: finds what is here.
        dispatcher, intake: have it.
        acknowledger: ends it.
        keeping: keeps what is revoked for other workers, and for this one's next life.
        endings: end it where it runs.
        kills: running tasks can be ended.
    """

    ids: RevokedIds
    stamps: RevokedStamps

    def __init__(  # noqa: PLR0913 - its parts
        self,
        revoked: Revoked,
        gates: Gates,
        index: TaskIndex,
        dispatcher: Dispatcher,
        intake: Intake,
        acknowledger: Acknowledger,
        keeping: Keeping,
        endings: Endings,
        *,
        kills: bool,
    ) -> None:
        super().__init__()
        self.ids, self.stamps = revoked.ids, revoked.stamps
        self._gates = gates
        self._index = index
        self._dispatcher = dispatcher
        self._intake = intake
        self._acknowledger = acknowledger
        self._keeping = keeping
        self._endings = endings
        self._kills = kills
        self._loop: asyncio.AbstractEventLoop | None = None

    async def begin(self) -> None:
        """Learn what was revoked before."""
        self._loop = asyncio.get_running_loop()
        await self._keeping.read(self.learn)

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

        def revoke() -> None:
            try:
                self.revoke_ids(task_ids, KILL if terminate else None)
            except CannotTerminate as error:
                logger.error("%s", error)

        with contextlib.suppress(RuntimeError):  # the loop has just closed: nothing is here any more
            loop.call_soon_threadsafe(revoke)

    def revoke_ids(self, task_ids: Collection[str], signal: signals.Signals | None) -> set[str]:
        """Revoke tasks by their ids; on the loop.

        Args:
            task_ids: of any tasks.
            signal: by which those are ended that run; ``None`` lets them end by themselves.

        Returns:
            The ids of those that were here and have been ended, or are being ended.

        Raises:
            CannotTerminate: one that runs cannot be ended. All are revoked all the same.
        """
        self._remember(task_ids)
        self._keeping.keep(task_ids)
        return self._end_all(self._index.find_all(task_ids), signal)

    def revoke_stamps(self, stamps: Collection[Stamp], signal: signals.Signals | None) -> set[str]:
        """Revoke tasks by their stamps; on the loop.

        Args:
            stamps: a task that carries one of them is revoked.
            signal: as for `revoke_ids`.

        Returns:
            As `revoke_ids`.

        Raises:
            CannotTerminate: as for `revoke_ids`.
        """
        self.stamps.add(stamps, SYSTEM.monotonic())
        self._gates.update()
        self._keeping.keep([stamp_entry(*stamp) for stamp in stamps])
        wanted = set(stamps)
        return self._end_all(self._index.find_where(lambda headers: any(stamp in wanted for stamp in stamps_of(headers))), signal)

    def learn(self, entries: Mapping[str, float]) -> None:
        """Revoke what others have revoked before; on the loop. What runs goes on.

        Args:
            entries: ids, and stamps as `umbel.results.revocation_store.stamp_entry` writes them; each with its time, seconds since the epoch.
        """
        now, shift = SYSTEM.monotonic(), SYSTEM.monotonic() - SYSTEM.now()
        stamps = {stamp: when + shift for entry, when in entries.items() if (stamp := stamp_of(entry)) is not None}
        new = self.ids.learn({entry: when + shift for entry, when in entries.items() if is_id(entry)}, now)
        new_stamps = self.stamps.learn(stamps, now)
        self._gates.update()
        if new:
            self._end_all(self._index.find_all(new), None)
        if new_stamps:
            self._end_all(self._index.find_where(lambda headers: any(stamp in new_stamps for stamp in stamps_of(headers))), None)

    def learn_again(self) -> None:
        """Read again what was kept: requests may have been missed."""
        self._keeping.read_soon(self.learn)

    def _remember(self, task_ids: Iterable[str]) -> None:
        self.ids.add(task_ids, SYSTEM.monotonic())
        self._gates.update()

    def _end_all(self, found: Iterable[ReservedTask | Waiting], signal: signals.Signals | None) -> set[str]:
        ended, refused = set(), ""
        for each in list(found):
            if isinstance(each, Waiting):
                self._intake.holding.forget({each.delivery})
                task = self._intake.reserve(each.delivery)
                self._acknowledger.revoke(task)
                ended.add(task.id)
            else:
                try:
                    if self._end(each, signal):
                        ended.add(each.id)
                except CannotTerminate as error:
                    refused = str(error)
        if refused:
            raise CannotTerminate(refused)
        return ended

    def _end(self, task: ReservedTask, signal: signals.Signals | None) -> bool:
        """Take a task back, or end it where it runs; returns whether it was here, and ends."""
        if self._dispatcher.take(task):
            self._acknowledger.revoke(task)
            return True
        if signal is None or not self._dispatcher.holds(task) or task.slot is None or self._loop is None:
            return False
        if not is_active(task):  # it is about to begin, or has just ended
            self._loop.call_later(LOOK, self._end_later, task, signal)
        elif signal == _INTERRUPT:
            task.slot.interrupt(task.number)
        elif not self._kills:
            raise CannotTerminate(f"task {task.id} runs and cannot be ended in this pool; it is revoked all the same")
        else:
            task.signum = int(signal)
            self._endings.end_task(task, EndReason.REVOKED)
        return True

    def _end_later(self, task: ReservedTask, signal: signals.Signals) -> None:
        try:
            self._end(task, signal)
        except CannotTerminate as error:
            logger.error("%s", error)
