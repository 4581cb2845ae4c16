"""The kinds of pools there are: one table, and the only place that knows their names.

A new kind is a row here, and what the row names: a class that keeps its children (`umbel.pools.base.Pool`; `PreforkPool` keeps any kind
of child process) and, where tasks run in a way of their own, the function that its children run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from umbel.errors import ImproperlyConfigured
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
    #: Modules whose blocking calls are replaced before the app is loaded.
    patched: tuple[str, ...] = ()
    #: Jobs that a child runs at a time; ``None``: as many as the worker does, in a single child.
    slots_per_child: int | None = 1
    #: Soft time limits hold: a running job can be interrupted.
    interrupts: bool
    #: Hard time limits hold: a running job can be ended.
    kills: bool
    #: Its children can be replaced, after so many tasks or for their memory.
    recycles: bool
    #: Tasks run in the worker's own process, one at a time.
    in_worker: bool = False

    def make(self, options: PoolOptions) -> Pool:
        """Make a pool of this kind with ``options``."""
        make: Callable[[PoolKind, PoolOptions], Pool] = plugins.load(self.pool, f"the pool {self.name}")
        return make(self, options)

    def describe(self, slots: int) -> str:
        """Say in words where its tasks run, with so many ``slots``: ``2 children``."""
        if self.in_worker:
            return "this process"
        count = -(-slots // self.slots_per_child) if self.slots_per_child else 1
        return f"{count:,} {'child' if count == 1 else 'children'}"


_PREFORK: Final = PoolKind(
    name="prefork",
    aliases=("processes",),
    text="in child processes",
    pool="umbel.pools.prefork:PreforkPool",
    child_main="umbel.pools.child:main",
    start_method="template",
    interrupts=True,
    kills=True,
    recycles=True,
)
_SOLO: Final = PoolKind(
    name="solo",
    text="in this process, for a debugger",
    pool="umbel.pools.solo:SoloPool",
    start_method="none",
    interrupts=True,
    kills=False,
    recycles=False,
    in_worker=True,
)

KINDS: Final = (_PREFORK, _SOLO)
DEFAULT: Final = _PREFORK
#: Celery's other kinds, which a later version has.
TO_COME: Final = ("threads", "gevent", "eventlet", "asyncio")
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
