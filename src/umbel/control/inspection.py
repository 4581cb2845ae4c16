"""`app.control.inspect()`: questions to workers, by Celery's names (5.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from umbel.control.mailbox import Replies
from umbel.control.matching import matches

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The workers that are asked, and for how long."""

    #: Names of nodes, or one; ``None`` is all.
    destination: Sequence[str] | str | None = None
    timeout: float = 1.0
    callback: Callable[[dict[str, Any]], object] | None = None
    limit: int | None = None
    pattern: str | None = None
    matcher: str | None = None

    def options(self) -> dict[str, Any]:
        """The options of `broadcast`."""
        return {
            "destination": self.destination,
            "timeout": self.timeout,
            "callback": self.callback,
            "limit": self.limit,
            "pattern": self.pattern,
            "matcher": self.matcher,
            "reply": True,
        }

    def answer(self, replies: Replies | None) -> Any:
        """Put the replies together: ``{node: reply}``; ``None`` where nobody replied; the reply itself where one node was asked by its name.

        Args:
            replies: as `broadcast` returns them.
        """
        if not replies:
            return None
        by_node = {node: reply for each in replies for node, reply in each.items()}
        if isinstance(self.destination, str):
            return by_node.get(self.destination)
        if self.pattern is not None and not self.destination:
            return {node: reply for node, reply in by_node.items() if matches(node, self.pattern, self.matcher or "glob")}
        return by_node


class Inspections(Generic[R]):
    """Questions to workers. Each returns ``{node: reply}``, or ``None`` where nobody replied in time.

    Args:
        asked: the workers that are asked.
        send: sends a command with its arguments to some workers, and puts their replies together.
    """

    def __init__(self, asked: Asked, send: Callable[[Asked, str, Mapping[str, Any]], R]) -> None:
        self.asked = asked
        self._send = send

    def _ask(self, command: str, arguments: Mapping[str, Any]) -> R:
        return self._send(self.asked, command, arguments)

    def ping(self, destination: Any = None) -> R:
        """Ask whether they are there: ``{"ok": "pong"}``.

        Args:
            destination: ask these, in place of those that are meant otherwise.
        """
        asked = self.asked if destination is None else replace(self.asked, destination=destination)
        return self._send(asked, "ping", {})

    # tasks

    def active(self, safe: bool | None = None) -> R:
        """Ask which tasks run.

        Args:
            safe: show arguments as text only.
        """
        return self._ask("active", {"safe": safe})

    def reserved(self, safe: bool | None = None) -> R:
        """Ask which tasks they have received and not begun.

        Args:
            safe: without meaning here, as in Celery.
        """
        del safe
        return self._ask("reserved", {})

    def scheduled(self, safe: bool | None = None) -> R:
        """Ask which tasks wait there for their time. One that is more than seconds away waits in the broker, and is in nobody's list.

        Args:
            safe: without meaning here, as in Celery.
        """
        del safe
        return self._ask("scheduled", {})

    def query_task(self, *ids: str | Iterable[str]) -> R:
        """Ask what they know of tasks: ``{id: [state, task]}``, where the state is active, reserved or scheduled.

        Args:
            *ids: of tasks, or one list of them.
        """
        asked = ids[0] if len(ids) == 1 and not isinstance(ids[0], str) else ids
        return self._ask("query_task", {"ids": list(asked)})

    def revoked(self) -> R:
        """Ask which ids they remember as revoked."""
        return self._ask("revoked", {})

    def registered(self, *taskinfoitems: str) -> R:
        """Ask for the names of their tasks.

        Args:
            *taskinfoitems: attributes to show beside each, such as ``rate_limit``.
        """
        return self._ask("registered", {"taskinfoitems": list(taskinfoitems)})

    registered_tasks = registered

    # the worker

    def stats(self) -> R:
        """Ask for figures: tasks run, pool, broker, memory."""
        return self._ask("stats", {})

    def active_queues(self) -> R:
        """Ask which queues they consume from."""
        return self._ask("active_queues", {})

    def conf(self, with_defaults: bool = False) -> R:
        """Ask for their settings; passwords are masked.

        Args:
            with_defaults: also those that were not given.
        """
        return self._ask("conf", {"with_defaults": with_defaults})

    def report(self) -> R:
        """Ask for versions, platform and settings, for a bug report."""
        return self._ask("report", {})

    def clock(self) -> R:
        """Ask for their logical time."""
        return self._ask("clock", {})

    def hello(self, from_node: str, revoked: Any = None) -> R:
        """Introduce a worker: it and the others tell each other which ids are revoked.

        Args:
            from_node: its name.
            revoked: ids that it remembers: a list, or id → time.
        """
        return self._ask("hello", {"from_node": from_node, "revoked": revoked})

    # memory

    def memsample(self) -> R:
        """Have them note the memory that they use; returns it."""
        return self._ask("memsample", {})

    def memdump(self, samples: int = 10) -> R:
        """Ask for what `memsample` has noted.

        Args:
            samples: lines at most.
        """
        return self._ask("memdump", {"samples": samples})

    def objgraph(self, type: str = "Request", n: int = 200, max_depth: int = 10) -> R:
        """Have them draw what keeps objects in memory, into a file there; needs the library objgraph there.

        Args:
            type: of the objects.
            n: objects at most.
            max_depth: of references.
        """
        return self._ask("objgraph", {"num": n, "max_depth": max_depth, "type": type})
