"""The contract of pools: children with slots that come and go, and a listener that hears of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from umbel.app.app import Umbel
from umbel.pools.recipe import AppRecipe
from umbel.pools.slot import Child
from umbel.pools.template.process import Template


class Outcome(NamedTuple):
    """The end of one job, as a child reports it. Plain values: crosses the process boundary by `marshal`."""

    number: int
    #: An `execution.model.Verdict`.
    verdict: int
    state: str
    #: Seconds in the task's own code.
    runtime: float
    #: Machine-readable word for a dead letter.
    reason: str
    #: One line for the log.
    detail: str
    traceback: str | None
    #: Expected by the task (`throws`).
    expected: bool
    #: Monotonic seconds at which the task's own code began; 0 when it did not.
    started: float = 0.0
    #: The place of the slot that ran it, in its child.
    slot: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOptions:
    """The start of a child: what it must know. Crosses the process boundary by pickle."""

    recipe: AppRecipe
    hostname: str
    #: Prepended to ``sys.path``, as in the parent.
    path: tuple[str, ...] = ()
    #: Settings given on the command line.
    changes: dict[str, Any] = field(default_factory=dict)
    #: ``module:function`` and its arguments, called first of all: logging.
    initializer: tuple[str, tuple[Any, ...]] | None = None
    #: Its place among the worker's children, from 1.
    index: int = 1
    #: Jobs that it runs at a time.
    slots: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """The values that a pool is made with."""

    app: Umbel
    #: ``module:attribute`` of the app, as after ``-A``; empty: the app knows it itself, or has none.
    app_path: str
    hostname: str
    #: Jobs at a time.
    slots: int
    #: Children that these are divided among, where a child runs several at once.
    processes: int = 1
    #: Seconds that a child may take to load the app; ``None`` is no limit.
    start_timeout: float | None = None
    #: Settings given on the command line.
    changes: Mapping[str, Any]
    #: That children are forked of, if it was started already; the pool closes it. It must know the same app.
    template: Template | None = None
    #: As in `ChildOptions`.
    initializer: tuple[str, tuple[Any, ...]] | None
    #: Called when tasks run in this process and their thread fails: stops the worker.
    on_failure: Callable[[], None]


class PoolListener(Protocol):
    """The listener of a pool's children; called on the event loop."""

    def on_ready(self, child: Child) -> None:
        """A ``child`` takes jobs now."""

    def on_outcomes(self, child: Child, outcomes: list[Outcome]) -> None:
        """Jobs in the slots of a ``child`` have ended, as its ``outcomes`` say."""

    def on_death(self, child: Child, cause: str) -> None:
        """A ``child`` is gone; its board still says what it was doing. ``cause`` is a phrase for a log line. `Pool.replace` follows."""


class Pool(Protocol):
    """Keeps as many slots as are wanted. Everything but `run` is called on the event loop."""

    #: Jobs at a time, when all children are there.
    slots: int

    def run(self, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Run a worker's life on an event loop; returns its exit code.

        Args:
            main: the worker's life.

        Raises:
            ImproperlyConfigured: children could not find the app.
        """

    def open(self, listener: PoolListener) -> None:
        """Start the children; the ``listener`` hears of them."""

    def resize(self, slots: int) -> None:
        """Have another number of slots: more at once, fewer as soon as the jobs of those that go are done. Nothing happens while closing.

        Args:
            slots: jobs at a time. Where children run several at once, all have as many, so that there may be some more.

        Raises:
            ValueError: fewer than one.
        """

    def recycle(self, child: Child) -> None:
        """Let a child end when its jobs are done, and give it no more; another one follows, at once where there are jobs of other slots to wait for.

        Args:
            child: to be told as soon as it is idle. If it is not, call this again when it is.
        """

    def restart(self) -> None:
        """Have children that are started from now on load the app anew. Those that are there stay until they are recycled.

        Raises:
            ValueError: the pool cannot.
        """

    def replace(self, child: Child) -> None:
        """Free what a dead child held, and start another in its place, unless it was one too many or the pool is closing.

        Args:
            child: of this pool.
        """

    def close(self) -> None:
        """Let every child end when its jobs are done; start none any more."""

    def kill(self) -> None:
        """End every child at once; start none any more."""

    @property
    def is_closing(self) -> bool:
        """True when children are let go and not replaced."""

    @property
    def is_empty(self) -> bool:
        """True when no child is left."""
