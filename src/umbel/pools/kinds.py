"""The kinds of pools there are: one table, and the only place that knows their names.

A new kind is a row here, and what the row names: a class that keeps its children (`umbel.pools.base.Pool`; `PreforkPool` keeps any kind
of child process) and, where tasks run in a way of their own, the function that its children run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from umbel.errors import ImproperlyConfigured
from umbel.pools.template.unpatched import patched_by
from umbel.runtime import plugins

if TYPE_CHECKING:
    from umbel.pools.base import Pool, PoolOptions


#: Slots of one pool. Each may be a process.
MOST_SLOTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolKind:
    """One kind of pool, and all that is known of it."""

    name: str
    aliases: tuple[str, ...] = ()
    #: Where its tasks run, for ``umbel worker --help``.
    text: str
    #: ``module:class`` of the `Pool`.
    pool: str
    #: ``module:function`` that a child process runs, which makes its executor; empty where there is no child process.
    child_main: str = ""
    #: Where child processes come from: a ``template`` (see `umbel.pools.template`), or ``none``.
    start_method: str
    #: ``module:function`` that replaces blocking calls, called before anything else is imported; empty where none are. The extra has the name of its package.
    patched: str = ""
    #: What a job runs in, one word for several, where a child runs several at once; empty where it runs one at a time.
    shared_by: str = ""
    #: Jobs at a time, where nobody says how many; 0: one for each processor.
    slots_by_default: int = 0
    #: Hard time limits hold, and a running job can be revoked: what runs can be ended, with its child if need be.
    kills: bool
    #: Its children can be replaced, after so many tasks or for their memory.
    recycles: bool
    #: Tasks run in the worker's own process, one at a time.
    in_worker: bool = False

    def make(self, options: PoolOptions) -> Pool:
        """Make a pool of this kind with ``options``.

        Raises:
            ImproperlyConfigured: the library that it needs is not installed; or this process, which is to run none of its tasks, is patched.
        """
        library = self.patched.partition(":")[0].partition(".")[0]
        if library and importlib.util.find_spec(library) is None:
            raise ImproperlyConfigured(
                f'the pool {self.name} needs the library {library}, which is not installed: pip install "umbel[{library}]"'
            )
        if not self.in_worker and (by := patched_by()):
            raise ImproperlyConfigured(
                f"{by} has replaced this process's blocking calls, and a worker's own process cannot work so: leave that to -P {by}, which has it done in children before anything is imported"
            )
        make: Callable[[PoolKind, PoolOptions], Pool] = plugins.load(self.pool, f"the pool {self.name}")
        return make(self, options)

    @property
    def is_shared(self) -> bool:
        """True when a child runs several jobs at once."""
        return bool(self.shared_by)

    def describe(self, slots: int, processes: int = 1) -> str:
        """Say in words where its tasks run: ``2 children``.

        Args:
            slots: jobs at a time.
            processes: children, where they run several at once.
        """
        if self.in_worker:
            return "this process"
        count = processes if self.is_shared else slots
        children = f"{count:,} {'child' if count == 1 else 'children'}"
        return f"{children}, {slots:,} {self.shared_by}" if self.is_shared else children


_PREFORK: Final = PoolKind(
    name="prefork",
    aliases=("processes",),
    text="in child processes",
    pool="umbel.pools.prefork:PreforkPool",
    child_main="umbel.pools.child:main",
    start_method="template",
    kills=True,
    recycles=True,
)
_THREADS: Final = PoolKind(
    name="threads",
    text="in threads of a child process",
    pool="umbel.pools.prefork:PreforkPool",
    child_main="umbel.pools.shared.threads:main",
    start_method="template",
    shared_by="threads",
    kills=True,
    recycles=True,
)
_ASYNCIO: Final = PoolKind(
    name="asyncio",
    text="as coroutines of a child process, or in its threads",
    pool="umbel.pools.prefork:PreforkPool",
    child_main="umbel.pools.shared.coroutines:main",
    start_method="template",
    shared_by="coroutines",
    slots_by_default=100,
    kills=True,
    recycles=True,
)
_GEVENT: Final = PoolKind(
    name="gevent",
    text="in greenlets of a child process",
    pool="umbel.pools.prefork:PreforkPool",
    child_main="umbel.pools.shared.greenlets:gevent_main",
    start_method="template",
    patched="gevent.monkey:patch_all",
    shared_by="greenlets",
    slots_by_default=100,
    kills=True,
    recycles=True,
)
_EVENTLET: Final = PoolKind(
    name="eventlet",
    text="the same, with eventlet",
    pool="umbel.pools.prefork:PreforkPool",
    child_main="umbel.pools.shared.greenlets:eventlet_main",
    start_method="template",
    patched="eventlet:monkey_patch",
    shared_by="greenlets",
    slots_by_default=100,
    kills=True,
    recycles=True,
)
_SOLO: Final = PoolKind(
    name="solo",
    text="in this process, for a debugger",
    pool="umbel.pools.solo:SoloPool",
    start_method="none",
    kills=False,
    recycles=False,
    in_worker=True,
)

KINDS: Final = (_PREFORK, _THREADS, _ASYNCIO, _GEVENT, _EVENTLET, _SOLO)
DEFAULT: Final = _PREFORK
NAMES: Final = tuple(kind.name for kind in KINDS)

_BY_NAME: Final[dict[Any, PoolKind]] = {name: kind for kind in KINDS for name in (kind.name, *kind.aliases)}


def find_kind(name: str) -> PoolKind | None:
    """The kind of this ``name`` or alias, if there is one."""
    return _BY_NAME.get(name)


def kind_of(name: str) -> PoolKind:
    """The kind of this ``name`` or alias.

    Raises:
        ImproperlyConfigured: there is none.
    """
    kind = find_kind(name)
    if kind is None:
        raise ImproperlyConfigured(f"there is no pool named {name!r}: expected {' or '.join(NAMES)}")
    return kind
