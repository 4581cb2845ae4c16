"""The pool of child processes: as many as wanted, a new one for each that ends, not faster than they can be loaded."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from multiprocessing.context import BaseContext
from typing import Any

from umbel.pools.base import ChildOptions, PoolListener, PoolOptions
from umbel.pools.child_process import ChildProcess
from umbel.pools.kinds import PoolKind
from umbel.pools.recipe import AppRecipe
from umbel.pools.slot import Child
from umbel.pools.template.process import Template
from umbel.runtime import plugins
from umbel.runtime.clock import SYSTEM
from umbel.runtime.host.machine import return_large_blocks

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Deaths within a second after which new children wait.
_BURST = 5
#: Seconds that they wait then.
_PENALTY = 1.0
#: Times that a child may fail to start, one after the other, before the next waits; each one waits twice as long, up to so many seconds.
_TRIES, _LONGEST_PENALTY = 3, 30.0


class PreforkPool:
    """Keeps child processes with so many slots together.

    A shared child, which runs several jobs at once, is replaced before it has ended: its last job may take long, and its slots are wanted. So is
    each of them when there are to be more slots, or fewer.

    Args:
        kind: whether a child runs several jobs at once, and what it runs.
        options: of the pool.
    """

    def __init__(self, kind: PoolKind, options: PoolOptions) -> None:
        self.is_closing: bool = False
        self._options = options
        self._is_shared = kind.is_shared
        self._patched = kind.patched
        self._divide(options.slots)
        self._target: Callable[..., None] = plugins.load(kind.child_main, f"the pool {kind.name}")
        self._recipe: AppRecipe
        self._template: Template
        self._context: BaseContext
        self._listener: PoolListener
        self._children: set[Child] = set()
        #: Children that are one too many: nothing takes their place.
        self._surplus: set[Child] = set()
        #: The numbers of children that are to be started when a moment has passed.
        self._delayed: dict[int, asyncio.TimerHandle] = {}
        self._deaths: deque[float] = deque(maxlen=_BURST)
        #: How many times in a row the child of a number could not start.
        self._failures: dict[int, int] = {}
        #: Templates that fork no children any more, and the children that end with them.
        self._old: list[tuple[Template, set[Child]]] = []

    def run(self, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Run a worker's life, ``main``, in this thread, and have the template load the app meanwhile."""
        self.prepare()
        self._template.warm_up()
        return_large_blocks()
        try:
            return asyncio.run(main())
        finally:
            for template, _ in [*self._old, (self._template, None)]:
                template.close()

    def prepare(self) -> None:
        """Find out how children get the app.

        Raises:
            ImproperlyConfigured: they cannot.
        """
        self._recipe = AppRecipe.of(self._options.app, self._options.app_path)
        given = self._options.template
        self._spawns = spawns = self._options.app.conf.worker_pool_start_method == "spawn"
        if given is not None and (spawns or given.patched != self._patched):  # it was started before it was known what pool there is to be
            given.close()
            given = None
        self._template = given or Template(self._recipe, self._patched, spawns=spawns)
        self._context = self._template.context()

    def open(self, listener: PoolListener) -> None:
        """Start the children; the ``listener`` hears of them."""
        self._listener = listener
        self._grow()

    def _divide(self, slots: int) -> None:
        """Decide how many children there are to be for so many slots, and how many slots each of them has."""
        self._wanted = min(self._options.processes, slots) if self._is_shared else slots
        self._slots_per_child = -(-slots // self._wanted)
        self.slots = self._wanted * self._slots_per_child

    def resize(self, slots: int) -> None:
        """Start the children that are missing for so many ``slots``; let idle ones go first when there are too many, then those with the highest numbers."""
        if slots < 1:
            raise ValueError(f"a pool has at least 1 slot, got {slots}")
        if self.is_closing or slots == self.slots:
            return
        self._divide(slots)
        keep = 0 if self._is_shared else self._wanted
        self._drop_delayed(keep)
        staying = sorted(self._children - self._surplus, key=_worth)
        for child in staying[keep:]:
            self._let_go(child)
        self._grow()

    def _grow(self) -> None:
        """Start as many children as are missing, under the lowest numbers that are free."""
        missing = self._wanted - len(self._children - self._surplus) - len(self._delayed)
        missing -= self._keep_on(missing)
        taken = {child.index for child in self._children} | self._delayed.keys()
        index = 0
        for _ in range(missing):
            index += 1
            while index in taken:
                index += 1
            self._start(index)

    def _keep_on(self, missing: int) -> int:
        """Let children stay that were to go and have not ended their jobs, not more than are missing; returns how many."""
        if self._is_shared:  # they have another number of slots
            return 0
        stale = set[Child]().union(*(children for _, children in self._old))
        found = sorted((child for child in self._surplus - stale if child.is_ready), key=lambda child: child.index)[: max(0, missing)]
        for child in found:
            self._surplus.remove(child)
            child.is_spent = False
        return len(found)

    def _let_go(self, child: Child) -> None:
        self._surplus.add(child)
        child.is_spent = True
        if not child.is_ready or child.is_idle:
            child.quit()  # one that loads the app gets no job when it has done so, and ends then

    def _drop_delayed(self, keep: int) -> None:
        """Start no more than so many children later."""
        while self._delayed and len(self._delayed) + len(self._children - self._surplus) > keep:
            self._delayed.popitem()[1].cancel()

    def _start(self, index: int) -> None:
        self._delayed.pop(index, None)
        if self.is_closing:
            return
        options = ChildOptions(
            recipe=self._recipe,
            hostname=self._options.hostname,
            path=tuple(sys.path),
            changes=dict(self._options.changes),
            initializer=self._options.initializer,
            index=index,
            slots=self._slots_per_child,
        )
        try:
            self._children.add(
                ChildProcess(
                    self._context,
                    options,
                    self._listener,
                    self._target,
                    is_shared=self._is_shared,
                    start_timeout=self._options.start_timeout,
                )
            )
        except (OSError, EOFError) as error:  # no descriptors, no memory, no processes: for now
            logger.error("A child cannot be started; trying again in %g s: %s", _PENALTY, error)
            self._start_later(index, _PENALTY)

    def _start_later(self, index: int, seconds: float) -> None:
        self._delayed[index] = asyncio.get_running_loop().call_later(seconds, self._start, index)

    def recycle(self, child: Child) -> None:
        """Give a ``child`` no more jobs; it is told to end as soon as it is idle."""
        if self._is_shared and child not in self._surplus and not self.is_closing:
            self._let_go(child)
            self._grow()
            return
        child.is_spent = True
        if child.is_ready and child.is_idle:
            child.quit()

    def restart(self) -> None:
        """Fork children of a new template from now on, which loads the app anew."""
        self._old.append((self._template, set(self._children)))
        self._template = Template(self._recipe, self._patched, spawns=self._spawns)
        self._context = self._template.context()
        self._template.warm_up()

    def _close_old(self, child: Child) -> None:
        """A child has died: a template of which none is left may end."""
        for template, children in self._old:
            children.discard(child)
            if not children:
                template.close()
        self._old = [(template, children) for template, children in self._old if children]

    def replace(self, child: Child) -> None:
        """Start a new child in the place of a dead ``child``; wait a little when they die in a burst."""
        self._children.discard(child)
        self._close_old(child)
        child.close()
        if child in self._surplus:
            self._surplus.remove(child)
            return
        if self.is_closing:
            return
        now = SYSTEM.monotonic()
        in_burst = len(self._deaths) == _BURST and now - self._deaths[0] < 1.0
        self._deaths.append(now)
        failures = self._failures[child.index] = 0 if child.came_up else self._failures.get(child.index, 0) + 1
        if failures > _TRIES:
            self._start_later(child.index, min(_LONGEST_PENALTY, _PENALTY * 2 ** (failures - _TRIES - 1)))
        elif in_burst:
            self._start_later(child.index, _PENALTY)
        else:
            self._start(child.index)

    def close(self) -> None:
        """Let every child end when its jobs are done."""
        self._end()
        for child in self._children:
            child.quit()

    def kill(self) -> None:
        """End every child at once."""
        self._end()
        for child in self._children:
            child.kill()

    def _end(self) -> None:
        self.is_closing = True
        for timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()

    @property
    def is_empty(self) -> bool:
        """True when no child is left."""
        return not self._children


def _worth(child: Child) -> tuple[bool, int]:
    """The order in which children stay when there are to be fewer: those that have jobs come first, then those with low numbers."""
    return child.is_idle, child.index
