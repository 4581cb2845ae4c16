"""Which seat runs what, when: the ready queue, the seats, and taking back what waits behind a slow task.

One owner for three facts: what is ready, what is at which seat, and what each task usually takes. Everything here runs on the event loop and
performs no I/O but `Seat.send`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any

from umbel.brokers.base import Delivery
from umbel.pools.base import JobTuple, Outcome, Seat
from umbel.pools.sharing import MOST, QUICK, Pace, is_overdue, room
from umbel.runtime.clock import SYSTEM
from umbel.worker.tasks.reserved import ReservedTask

#: Top a busy seat up only for this many jobs at once: a frame costs more than a job.
_LEAST = MOST // 3


class Station:
    """A seat and what it has been given, in the order in which it runs them."""

    __slots__ = ("given", "is_spent", "is_stalled", "last", "seat", "served")

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        #: By number; dicts keep their order.
        self.given: dict[int, ReservedTask] = {}
        #: The highest number sent.
        self.last = 0
        #: Jobs completed, for max_tasks_per_child.
        self.served = 0
        #: It is to be replaced when its jobs are done.
        self.is_spent = False
        #: What it runs takes longer than such jobs should: nothing is queued behind it.
        self.is_stalled = False

    @property
    def reserved(self) -> ReservedTask | None:
        """The job around which nothing is queued, if it has such a one."""
        first = next(iter(self.given.values()), None)  # it was given to an idle seat
        return first if first is not None and (first.early or first.careful) else None

    @property
    def takes_more(self) -> bool:
        """Whether it may be given jobs."""
        return self.seat.is_ready and not self.is_spent and not self.is_stalled


class Dispatcher:
    """Gives ready entries to seats.

    Args:
        before_run: awaited for an entry that is `early` or `careful` before it is sent: acknowledges it, or records its start.
        max_tasks: jobs after which a seat takes no more and is retired; ``None`` is no limit.
        retire: told of a seat that is to be replaced.
        expired: told of an entry whose time passed while it waited.
    """

    def __init__(
        self,
        before_run: Callable[[ReservedTask], Awaitable[None]],
        max_tasks: int | None,
        retire: Callable[[Seat], None],
        expired: Callable[[ReservedTask], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.ready: deque[ReservedTask] = deque()
        self.pace = Pace()
        self.stations: dict[Seat, Station] = {}
        self.is_open = True
        self._before_run = before_run
        self._max_tasks = max_tasks
        self._retire = retire
        self._expired = expired
        self._spawn = spawn
        self._number = 0
        #: Entries that are being acknowledged. Whatever becomes of their seats, they are not ready before that has ended.
        self._underway: set[ReservedTask] = set()

    # what comes in

    def add_seat(self, seat: Seat) -> None:
        """A seat takes jobs from now on."""
        self.stations[seat] = Station(seat)
        self.pump()

    def remove_seat(self, seat: Seat) -> Station | None:
        """A seat is gone; the caller decides what becomes of what it had been given."""
        return self.stations.pop(seat, None)

    def offer(self, entries: Iterable[ReservedTask]) -> None:
        """These may run."""
        self.ready.extend(entries)
        self.pump()

    def put_back(self, entries: Iterable[ReservedTask]) -> None:
        """These come before all others; what is being acknowledged follows when that has ended."""
        self.ready.extendleft(reversed([entry for entry in entries if entry not in self._underway]))

    def finished(self, seat: Seat, outcomes: list[Outcome]) -> Iterator[tuple[ReservedTask, Outcome]]:
        """Match outcomes with their entries; unknown numbers are passed over."""
        station = self.stations.get(seat)
        if station is None:
            return
        station.is_stalled = False
        given, learn = station.given, self.pace.learn
        for outcome in outcomes:
            entry = given.pop(outcome.number, None)
            if entry is not None:
                learn(entry.task, outcome.runtime)
                station.served += 1
                yield entry, outcome
        if self._max_tasks and station.served >= self._max_tasks:
            station.is_spent = True
        if station.is_spent and not given:
            self.retire(station)

    def retire(self, station: Station) -> None:
        """Replace a seat, now if it is idle, else when its jobs are done."""
        station.is_spent = True
        if not station.given and station.seat.is_ready:
            station.seat.is_ready = False
            self._retire(station.seat)

    # giving

    def pump(self) -> None:
        """Give out what can be given; once closed, only what is acknowledged and cannot be handed back."""
        ready = self.ready
        if not ready:
            return
        stations = sorted((one for one in self.stations.values() if one.takes_more), key=_load)
        if not self.is_open:
            self._give_acknowledged(stations)
            return
        left = len(stations)
        for station in stations:
            if not ready:
                return
            self._fill(station, -(-len(ready) // left))
            left -= 1

    def _fill(self, station: Station, share: int) -> None:
        while self.ready and _is_late(self.ready[0]):
            self._expired(self.ready.popleft())
        if not self.ready:
            return
        ready, waiting = self.ready, len(station.given)
        head = ready[0]
        count = room(self.pace.usual(head.task), waiting)
        if self._max_tasks:
            count = min(count, self._max_tasks - station.served - waiting)
        if waiting:
            if count < _LEAST or station.reserved is not None:
                return
        elif head.early or head.careful:
            self._give_carefully(station, ready.popleft())
            return
        if count > 0:
            self._give(station, min(count, share))

    def _give(self, station: Station, count: int) -> None:
        ready, usual, given = self.ready, self.pace.usual, station.given
        number, seat = self._number, station.seat
        jobs: list[JobTuple] = []
        while count and ready:
            entry = ready[0]
            if entry.early or entry.careful or (jobs and ((usual(entry.task) or 1.0) > QUICK or _is_late(entry, within=1.0))):
                break
            ready.popleft()
            number += 1
            entry.number = number
            entry.seat = seat
            given[number] = entry
            jobs.append(entry.job())
            count -= 1
        self._number = station.last = number
        if jobs:
            seat.send(jobs)

    def _give_acknowledged(self, stations: Iterable[Station]) -> None:
        idle = [station for station in stations if not station.given]
        for station, entry in zip(idle, [entry for entry in self.ready if entry.acked], strict=False):
            self.ready.remove(entry)
            self._give_carefully(station, entry)

    def _give_carefully(self, station: Station, entry: ReservedTask) -> None:
        """Reserve the seat, do what comes before the run, then send."""
        self._number += 1
        entry.number = station.last = self._number
        entry.seat = station.seat
        station.given[entry.number] = entry
        if entry.early:
            self._underway.add(entry)
        self._spawn(self._send_carefully(station, entry))

    async def _send_carefully(self, station: Station, entry: ReservedTask) -> None:
        number = entry.number

        def is_there() -> bool:
            return station.given.get(number) is entry and self.stations.get(station.seat) is station

        try:
            if not entry.acked:
                await self._before_run(entry)
        except Exception:
            is_ours = is_there() or entry in self._underway
            self._underway.discard(entry)
            if is_there():
                del station.given[number]
            if is_ours and not entry.lost:
                self.put_back([entry])
            raise
        if not is_there():
            if entry in self._underway:  # its seat has died, or its delivery was lost
                self._underway.remove(entry)
                if not entry.lost:
                    self.put_back([entry])
                    self.pump()
            return
        self._underway.discard(entry)
        if entry.lost:  # it will come again; to run it now as well would be once too often
            del station.given[number]
            self.pump()
        else:
            station.seat.send([entry.job()])

    # taking back

    def relieve(self, now: float) -> float:
        """Take back what waits behind jobs that run longer than such jobs should.

        Args:
            now: monotonic seconds.

        Returns:
            Seconds for which all seats have been running what they run now; 0 when one is free, or about to begin.
        """
        jammed = math.inf if self.stations else 0.0
        for station in self.stations.values():
            number, since = station.seat.current() if station.given else (0, now)
            jammed = min(jammed, now - since if number else 0.0)
            if not number or station.is_stalled:
                continue
            if is_overdue(now - since, self.pace.usual(station.given[number].task) if number in station.given else None):
                station.is_stalled = True
                if len(station.given) > 1:
                    self._reclaim(station)
        self.pump()
        return jammed

    def reclaim_all(self) -> list[ReservedTask]:
        """Take back everything that has not started, everywhere, and return what may be handed back; it is the caller's now."""
        for station in self.stations.values():
            self._reclaim(station)
        return self._surrender()

    def _surrender(self) -> list[ReservedTask]:
        surrendered = [entry for entry in self.ready if not entry.acked]
        self.ready = deque(entry for entry in self.ready if entry.acked)
        return surrendered

    def _reclaim(self, station: Station) -> None:
        reserved = station.reserved
        if reserved is not None and reserved.early:
            return  # acknowledged, or as good as
        started = station.seat.take_back(station.last)
        if started is None:
            return
        entries = [entry for number, entry in station.given.items() if number > started]
        for entry in entries:
            del station.given[entry.number]
        self.put_back(entries)

    def reclaim_waiting(self) -> list[ReservedTask]:
        """`reclaim_all`, but only what waits behind a running job.

        A seat that runs nothing is about to begin: its first job may be large, and would be taken away for ever again.
        """
        for station in self.stations.values():
            if station.seat.current()[0]:
                self._reclaim(station)
        return self._surrender()

    def withdraw(self, lost: set[Delivery]) -> list[ReservedTask]:
        """Forget entries whose deliveries are lost, unless they run already; returns those that run."""
        for station in self.stations.values():
            self._reclaim(station)
            entry = station.reserved
            if entry is not None and entry.early and not entry.acked and entry.delivery in lost:
                del station.given[entry.number]  # it has yet to be acknowledged, and to be sent
                entry.lost = True
        self.ready = deque(entry for entry in self.ready if entry.delivery not in lost)
        running = []
        for entry in self.running():
            if entry.delivery in lost:
                entry.lost = True
                running.append(entry)
        return running

    def take(self, entry: ReservedTask) -> bool:
        """Take back one entry that has not started; returns whether it is the caller's now."""
        station = self.stations.get(entry.seat) if entry.seat is not None else None
        if station is not None and station.given.get(entry.number) is entry:
            self._reclaim(station)
        is_ready = entry in self.ready
        if is_ready:
            self.ready.remove(entry)
        self.pump()
        return is_ready

    # looking

    def holds(self, entry: ReservedTask) -> bool:
        """Whether an entry is ready, or with a seat."""
        return entry in self.ready or any(entry is other for other in self.running())

    def running(self) -> Iterator[ReservedTask]:
        """What has been given to seats and not ended."""
        for station in self.stations.values():
            yield from station.given.values()

    @property
    def outstanding(self) -> int:
        """How many entries seats have."""
        return sum(len(station.given) for station in self.stations.values())

    @property
    def is_running(self) -> bool:
        """Whether a task runs. One that has ended and whose result is being stored does not."""
        return any(station.given and station.seat.current()[0] for station in self.stations.values())

    @property
    def early(self) -> int:
        """How many of them were acknowledged before they ran."""
        return sum(entry.early for entry in self.running())

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that must end here."""
        return not self.outstanding and not self._underway and not any(entry.acked for entry in self.ready)

    @property
    def is_full(self) -> bool:
        """Whether every seat is busy."""
        return all(station.given or not station.seat.is_ready for station in self.stations.values())


def _is_late(entry: ReservedTask, within: float = 0.0) -> bool:
    return entry.expires is not None and entry.expires <= SYSTEM.now() + within


def _load(station: Station) -> int:
    return len(station.given)
