"""The lease store under test."""

from __future__ import annotations

import itertools
import subprocess
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from umbel.leases.base import Grant, Lease, LeaseStore, LeaseStoreFactory
from umbel.testing import programs

#: Seconds of a lease that is to end in a test.
BRIEF = 0.3


@dataclass
class LeaseKit:
    """The lease store under test. A context manager: the stores that a test has made are closed at its end.

    The contract's tests ask for it as the fixture ``kit``.
    """

    #: Shown in failures.
    name: str
    url: str
    #: Fields of `LeaseOptions`.
    options: dict[str, Any] = field(default_factory=dict)
    #: Makes the store; found by the URL's scheme when not given. Other processes import it: a function of a module.
    connect: LeaseStoreFactory | None = None
    _made: list[LeaseStore] = field(default_factory=list, init=False)
    _numbers: Any = field(default_factory=itertools.count, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for store in self._made:
            store.close()

    @cached_property
    def store(self) -> LeaseStore:
        """The store of one client."""
        return self.make()

    @cached_property
    def other(self) -> LeaseStore:
        """The store of another client."""
        return self.make()

    @cached_property
    def lease(self) -> str:
        """A name that nobody else uses."""
        return self.new()

    def new(self) -> str:
        """Another one."""
        return f"contract:{uuid.uuid4().hex}:{next(self._numbers)}"

    def make(self, **options: Any) -> LeaseStore:
        """A store that is closed after the test; ``options`` are fields of `LeaseOptions` in place of the kit's."""
        store = programs.lease_store_of(self.url, {**self.options, **options}, self.connect)
        self._made.append(store)
        return store

    def acquire(self, owner: str, seconds: float = 60.0, limit: int = 1, *, takes_over: bool = False) -> Grant:
        """Ask for the name `lease`."""
        (grant,) = self.store.acquire([Lease(self.lease, owner, seconds, limit, takes_over)])
        return grant

    def renew(self, owner: str, seconds: float = 60.0) -> bool:
        """Hold the name `lease` on."""
        (held,) = self.store.renew([Lease(self.lease, owner, seconds)])
        return held

    def release(self, owner: str) -> bool:
        """Give the name `lease` up."""
        (held,) = self.store.release([Lease(self.lease, owner, 0.0)])
        return held

    @property
    def owners(self) -> list[str]:
        """The owners of the name `lease`, as another client sees them."""
        return [holder.owner for holder in self.other.holders(self.lease)]

    def program(self, command: str, **options: Any) -> subprocess.Popen[str]:
        """Another process.

        Args:
            command: one of `umbel.testing.programs`: lease_hold, lease_rush, lease_fork.
            options: of the command.
        """
        setup = {"url": self.url, "connect": programs.path_of(self.connect), "options": self.options, **options}
        return programs.start(command, setup)
