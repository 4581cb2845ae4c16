"""Autoscaling: as many slots as there is work for, between two bounds.

There is no asking the broker: whether every slot is busy says enough. While all are, their number grows, faster each time; what waits here shows through the prefetch window, which
follows the number of slots. It shrinks to what was needed at the most in the last seconds, so that a gap between two tasks ends no child.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any, Final, Protocol

from umbel.errors import ImproperlyConfigured
from umbel.pools.kinds import MOST_SLOTS
from umbel.runtime import plugins
from umbel.runtime.clock import SYSTEM
from umbel.runtime.service import Periodic
from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import LOOK

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds for which slots stay that are not needed; the environment variable that Celery has for it.
KEEPALIVE: Final = 5.0
_KEEPALIVE_VARIABLE: Final = "AUTOSCALE_KEEPALIVE"
#: Seconds between two calls of a class that decides by itself: it may ask somebody.
_OWN_LOOK: Final = 1.0
#: Times as many slots, at the first growth; it doubles with each that follows at once.
_FACTOR: Final = 2
#: Growth that comes within so many seconds of the last one follows at once.
_SOON: Final = 1.0


class ScaledPool(Protocol):
    """A pool, as far as its size goes; see `umbel.pools.base.Pool`."""

    slots: int

    def resize(self, slots: int) -> None: ...


class Autoscaler(Periodic):
    """Changes the number of a pool's slots.

    A subclass may decide in another way (``worker_autoscaler``): its ``_maybe_scale`` is called once a second, in a thread, looks at `qty` and `processes`,
    and calls `scale_up` or `scale_down`, as in Celery.

    Args:
        pool: has the slots.
        max_concurrency: slots at the most.
        min_concurrency: at the least; there is always one.
        worker: whose pool it is.
        keepalive: seconds for which slots stay that are not needed; ``None``: five, or as ``AUTOSCALE_KEEPALIVE`` says.
    """

    max_concurrency: int
    min_concurrency: int

    def __init__(
        self, pool: ScaledPool, max_concurrency: int, min_concurrency: int = 0, worker: Any = None, keepalive: float | None = None
    ) -> None:
        self._decides_itself = type(self)._maybe_scale is not Autoscaler._maybe_scale  # noqa: SLF001 - a name of Celery's, to be overridden
        super().__init__(_OWN_LOOK if self._decides_itself else LOOK)
        self.pool = pool
        self.worker = worker
        self.max_concurrency, self.min_concurrency = max_concurrency, max(1, min_concurrency)
        self.keepalive: float = _keepalive() if keepalive is None else keepalive
        self._dispatcher: Dispatcher = worker.parts.dispatcher
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deciding: asyncio.Future[None] | None = None
        #: The most slots that were needed in this half of `keepalive`, and in the one before; when this one began.
        self._needed, self._needed_before, self._half_began = 0, 0, SYSTEM.monotonic()
        #: When the pool has grown last, and by what factor it grows next.
        self._grown_at, self._factor = 0.0, _FACTOR

    async def begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._half_began = SYSTEM.monotonic()
        await super().begin()

    async def end(self) -> None:
        await super().end()
        if self._deciding is not None:
            self._deciding.cancel()

    # what there is

    @property
    def processes(self) -> int:
        """The number of slots."""
        return self.pool.slots

    @property
    def qty(self) -> int:
        """The number of tasks that run here, and of those that wait here for a slot."""
        return self.busy + len(self._dispatcher.ready)

    @property
    def busy(self) -> int:
        """The number of slots that have tasks, those included that go as soon as these have ended."""
        return sum(1 for slot in self._dispatcher.slots() if slot.given)

    def info(self) -> dict[str, int]:
        """Figures for ``stats``, under Celery's names."""
        return {"max": self.max_concurrency, "min": self.min_concurrency, "current": self.processes, "qty": self.qty}

    # deciding

    def look(self, now: float) -> None:
        """Change the number of slots, if that is called for.

        Args:
            now: monotonic seconds.
        """
        if not self._dispatcher.is_open:
            return
        if self._decides_itself:
            self._let_decide()
        else:
            self._scale(now)

    def _let_decide(self) -> None:
        if self._deciding is None or self._deciding.done():
            self._deciding = asyncio.ensure_future(asyncio.to_thread(self.maybe_scale))
            self._deciding.add_done_callback(self._decided)

    def _decided(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            logger.error("%s cannot decide, and will try again: %s: %s", type(self).__name__, type(error).__name__, error)

    def maybe_scale(self, req: Any = None) -> None:
        """Decide now; ``req``, Celery's, is passed on."""
        self._maybe_scale(req)

    def _maybe_scale(self, req: Any = None) -> bool | None:  # noqa: ARG002 - Celery's
        self._scale(SYSTEM.monotonic())
        return None

    def _scale(self, now: float) -> None:
        busy, slots = self.busy, self.pool.slots
        wanted = min(self.max_concurrency, max(slots, busy + len(self._dispatcher.ready)))
        if busy >= slots:
            wanted = max(wanted, self._grown(slots, now))
        self._remember(busy, now)
        if wanted > slots:
            self._grown_at = now
            self._resize(wanted)
        elif (needed := self._bounded(max(self._needed, self._needed_before))) < slots and now - self._grown_at >= self.keepalive:
            self._resize(needed)

    def _grown(self, slots: int, now: float) -> int:
        """The number of slots that follows ``slots`` when all of them are busy."""
        self._factor = self._factor * 2 if now - self._grown_at < _SOON else _FACTOR
        return min(self.max_concurrency, slots * self._factor)

    def _remember(self, busy: int, now: float) -> None:
        """Note how many slots are needed: one more than are busy, so that what comes next need not wait for a child."""
        if now - self._half_began >= self.keepalive / 2:
            self._needed_before, self._needed, self._half_began = self._needed, 0, now
        self._needed = max(self._needed, busy + 1 if busy else 0)

    def _bounded(self, slots: int) -> int:
        return max(self.min_concurrency, min(self.max_concurrency, slots))

    # acting

    def scale_up(self, n: int) -> None:
        """Have ``n`` slots more, not more than the bound; from any thread."""
        self._soon(min(self.max_concurrency, self.processes + n))

    def scale_down(self, n: int) -> None:
        """Have ``n`` slots fewer, not fewer than the bound; from any thread."""
        self._soon(max(self.min_concurrency, self.processes - n))

    def force_scale_up(self, n: int) -> None:
        """Have ``n`` slots more now, and move the upper bound if need be."""
        self.max_concurrency = max(self.max_concurrency, self.processes + n)
        self._grown_at = SYSTEM.monotonic()
        self._resize(self.processes + n)

    def force_scale_down(self, n: int) -> None:
        """Have ``n`` slots fewer now, and move the lower bound if need be."""
        self.min_concurrency = min(self.min_concurrency, self.processes - n)
        self._resize(self.processes - n)

    def update(self, max: int | None = None, min: int | None = None) -> tuple[int, int]:
        """Set the bounds that are given; returns both.

        Args:
            max: slots at the most.
            min: at the least; 0 counts as 1.

        Raises:
            ValueError: the lower one would be above the upper one.
        """
        most = self.max_concurrency if max is None else max
        least = self.min_concurrency if min is None else min if min > 0 else 1
        if least > most:
            raise ValueError(f"max must be at least min, got max={most} min={least}")
        self.max_concurrency, self.min_concurrency = most, least
        self._resize(self._bounded(self.processes))
        return most, least

    def _soon(self, slots: int) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._resize, slots)

    def _resize(self, slots: int) -> None:
        before = self.pool.slots
        if slots != before and self._dispatcher.is_open:
            self.pool.resize(slots)
            logger.info("Autoscaling: %d slots, after %d", self.pool.slots, before)


def _keepalive() -> float:
    given = os.environ.get(_KEEPALIVE_VARIABLE, "")
    try:
        seconds = float(given) if given else KEEPALIVE
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ImproperlyConfigured(f"the environment variable {_KEEPALIVE_VARIABLE} is a number of seconds, got {given!r}")
    return seconds


#: `worker_autoscaler`, where it is Celery's or ours.
_OURS: Final = frozenset({"celery.worker.autoscale:Autoscaler", f"{__name__}:Autoscaler"})


def autoscalers_of(worker: Any, state: Any) -> list[Autoscaler]:
    """Make the autoscaler of a worker that is to have one, as ``worker_autoscaler`` says; none for another worker.

    Args:
        worker: `umbel.worker.worker.Worker`.
        state: the worker, as commands of remote control see it; gets the autoscaler.

    Raises:
        ImproperlyConfigured: there is no such class.
    """
    bounds, wanted = worker.settings.autoscale, worker.app.conf.worker_autoscaler
    if bounds is None:
        return []
    found = wanted
    if isinstance(wanted, str):
        path = wanted if ":" in wanted else ":".join(wanted.rsplit(".", 1))
        try:
            found = Autoscaler if path in _OURS else plugins.load(path, "worker_autoscaler")
        except (ImportError, AttributeError, ValueError) as error:
            raise ImproperlyConfigured(f"worker_autoscaler={wanted!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Autoscaler)):
        raise ImproperlyConfigured(f"worker_autoscaler={wanted!r} is no subclass of {__name__}.Autoscaler")
    most, least = bounds
    state.autoscaler = found(worker.parts.pool, most, least, worker=worker)
    return [state.autoscaler]


def parse_bounds(given: Any) -> tuple[int, int] | None:
    """Read bounds as people write them; returns the upper and the lower one.

    Args:
        given: ``10,3``, ``10`` (at least 1), a pair, or a number; ``None`` and empty is no autoscaling.

    Raises:
        ImproperlyConfigured: they are none.
    """
    if not given:
        return None
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else [given]
    try:
        most, least = (int(part) for part in [*parts, *(1,) * (2 - len(parts))])
    except (TypeError, ValueError):
        most, least = 0, 0
    if not max(1, least) <= most <= MOST_SLOTS or least < 0:
        raise ImproperlyConfigured(f"autoscale={given!r}: expected MAX,MIN with MAX at least MIN and at most {MOST_SLOTS:,}, e.g. 10,3")
    return most, max(1, least)
