"""The result store under test, as a client and as a worker have it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from umbel.messages.ids import uuid7
from umbel.results.base import ResultStore, StoreFactory
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM
from umbel.testing import programs


@dataclass
class StoreKit:
    """The result store under test. A context manager: the stores that a test has made are closed at its end.

    The contract's tests ask for it as the fixture ``kit``.
    """

    #: Shown in failures.
    name: str
    url: str
    #: Fields of `StoreOptions`.
    options: dict[str, Any] = field(default_factory=dict)
    #: Makes the store; found by the URL's scheme when not given. Other processes import it: a function of a module.
    connect: StoreFactory | None = None
    _made: list[ResultStore] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @cached_property
    def reader(self) -> ResultStore:
        """The store of the client who waits. For rpc:// it is no other's."""
        return self.make()

    @cached_property
    def writer(self) -> ResultStore:
        """The store of a worker elsewhere."""
        return self.make()

    def make(self, **options: Any) -> ResultStore:
        """A store that is closed after the test; ``options`` are fields of `StoreOptions` in place of the kit's."""
        store = programs.store_of(self.url, {**self.options, **options}, self.connect)
        self._made.append(store)
        return store

    def expect(self, *ids: str) -> tuple[str, ...]:
        """Let the reader expect results of these ids, which come back."""
        for task_id in ids:
            self.reader.expect(task_id)
        return ids

    def new(self) -> str:
        """A task id that the reader expects."""
        task_id = uuid7(SYSTEM.now())
        self.reader.expect(task_id)
        return task_id

    def record(self, task_id: str, status: str = "SUCCESS", result: Any = None, **fields: Any) -> Record:
        """Make a record as a worker writes it; ``fields`` are those of `Record`."""
        return Record(task_id=task_id, status=status, result=result, reply_to=self.reader.reply_to, **fields)

    def write(self, task_id: str, status: str = "SUCCESS", result: Any = None, **fields: Any) -> None:
        """Store it, as a worker."""
        self.writer.store([self.record(task_id, status, result, **fields)])

    def later(self, seconds: float, work: Callable[[], Any]) -> threading.Timer:
        """Do something on another thread in so many seconds."""
        timer = threading.Timer(seconds, work)
        timer.start()
        return timer

    def program(self, command: str, **options: Any) -> subprocess.Popen[str]:
        """Another process.

        Args:
            command: one of `umbel.testing.programs`: store_fork.
            options: of the command.
        """
        setup = {"url": self.url, "connect": programs.path_of(self.connect), "options": self.options, **options}
        return programs.start(command, setup)

    def close(self) -> None:
        """Close the stores."""
        for store in self._made:
            store.close()
