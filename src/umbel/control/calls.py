"""`Calls`: everything that can be told to workers, by Celery's names (5.7). How it is sent, and what comes back, is left to a subclass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Calls(Generic[R]):
    """Commands to workers. Each takes the options of `broadcast` beside its own, above all ``destination``, ``reply`` and ``timeout``.

    Without ``reply=True`` a command is sent to whoever listens, and nothing comes back. With it, a call waits for ``timeout`` seconds, or until as many
    workers as it was sent to have replied, and returns ``[{node: reply}, …]``; a reply is ``{"ok": …}`` or ``{"error": …}``.
    """

    def broadcast(self, command: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> R:
        """Send a command to workers; see `umbel.control.client.Control.broadcast`.

        Args:
            command: its name.
            arguments: by name.
            **options: likewise.
        """
        raise NotImplementedError

    def ping(self, destination: Any = None, timeout: float = 1.0, **options: Any) -> R:
        """Ask workers whether they are there; each that is replies ``{"ok": "pong"}``.

        Args:
            destination: names of nodes; all when not given.
            timeout: seconds to wait for replies.
            **options: of `broadcast`.
        """
        return self.broadcast("ping", {}, destination=destination, timeout=timeout, reply=True, **options)

    # tasks

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Any = None,
        terminate: bool = False,
        signal: str | int | None = "SIGTERM",
        **options: Any,
    ) -> R:
        """Have tasks not run. Workers remember their ids, and, where there is a result store that can, it does, for workers that are started later.

        Args:
            task_id: one id, or several.
            destination: only these workers are told, and the store is not.
            terminate: also end those that run.
            signal: the signal by which they are ended. SIGUSR1 raises SoftTimeLimitExceeded in the task; any other ends its child.
            **options: of `broadcast`.

        Raises:
            TypeError: an id is no text.
        """
        ids = task_id if isinstance(task_id, str) else list(task_id)
        wrong = [each for each in ([ids] if isinstance(ids, str) else ids) if not _is_text(each)]
        if wrong:
            raise TypeError(f"task ids are text, got {wrong[0]!r}; of a result, pass its id")
        arguments = {"task_id": ids, "terminate": terminate, "signal": signal}
        return self.broadcast("revoke", arguments, destination=destination, **options)

    def terminate(self, task_id: str | Iterable[str], destination: Any = None, signal: str | int | None = "SIGTERM", **options: Any) -> R:
        """Have tasks not run, and end those that run; as `revoke` with ``terminate``.

        Args:
            task_id: one id, or several.
            destination: only these workers.
            signal: as for `revoke`.
            **options: of `broadcast`.
        """
        return self.revoke(task_id, destination=destination, terminate=True, signal=signal, **options)

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: Any = None,
        terminate: bool = False,
        signal: str | int | None = "SIGTERM",
        **options: Any,
    ) -> R:
        """Have all tasks not run that carry one of these stamps.

        Args:
            headers: the name of a stamp → its value, or several.
            destination: as for `revoke`.
            terminate: as for `revoke`.
            signal: as for `revoke`.
            **options: of `broadcast`.
        """
        arguments = {"headers": dict(headers), "terminate": terminate, "signal": signal}
        return self.broadcast("revoke_by_stamped_headers", arguments, destination=destination, **options)

    def rate_limit(self, task_name: str, rate_limit: float | str | None, destination: Any = None, **options: Any) -> R:
        """Change the rate limit of a task, in each worker.

        Args:
            task_name: of the task.
            rate_limit: a number for a second, ``"10/m"``; 0 or ``None`` is no limit.
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("rate_limit", {"task_name": task_name, "rate_limit": rate_limit}, destination=destination, **options)

    def time_limit(
        self, task_name: str, soft: float | None = None, hard: float | None = None, destination: Any = None, **options: Any
    ) -> R:
        """Change the time limits of a task, for calls that workers receive from now on.

        Args:
            task_name: of the task.
            soft: seconds; ``None`` is no limit of the task's own.
            hard: seconds; likewise.
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("time_limit", {"task_name": task_name, "hard": hard, "soft": soft}, destination=destination, **options)

    # queues

    def add_consumer(
        self,
        queue: str,
        exchange: str | None = None,
        exchange_type: str = "direct",
        routing_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        destination: Any = None,
        **rest: Any,
    ) -> R:
        """Have workers consume from one more queue.

        Args:
            queue: its name; where the worker's app has such a queue it is that one.
            exchange: its exchange; the queue's name when not given.
            exchange_type: of the exchange.
            routing_key: its binding; the queue's name when not given.
            options: ``durable``, ``auto_delete``, ``queue_arguments`` of the queue.
            destination: only these workers.
            **rest: options of `broadcast`.
        """
        arguments = {"queue": queue, "exchange": exchange, "exchange_type": exchange_type, "routing_key": routing_key, **(options or {})}
        return self.broadcast("add_consumer", arguments, destination=destination, **rest)

    def cancel_consumer(self, queue: str, destination: Any = None, **options: Any) -> R:
        """Have workers consume from one queue less.

        Args:
            queue: its name.
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("cancel_consumer", {"queue": queue}, destination=destination, **options)

    # the pool

    def pool_grow(self, n: int = 1, destination: Any = None, **options: Any) -> R:
        """Give workers more slots.

        Args:
            n: how many.
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("pool_grow", {"n": n}, destination=destination, **options)

    def pool_shrink(self, n: int = 1, destination: Any = None, **options: Any) -> R:
        """Take slots from workers, as soon as the jobs of those that go are done.

        Args:
            n: how many.
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("pool_shrink", {"n": n}, destination=destination, **options)

    def pool_restart(
        self, modules: Iterable[str] | None = None, reload: bool = False, reloader: Any = None, destination: Any = None, **options: Any
    ) -> R:
        """Replace the children of workers by new ones, which load the app's code anew; needs ``worker_pool_restarts``.

        Args:
            modules: that are to be loaded, of those that the app includes. All are.
            reload: without meaning here: a new child has loaded nothing before.
            reloader: likewise.
            destination: only these workers.
            **options: of `broadcast`.
        """
        arguments = {"modules": None if modules is None else list(modules), "reload": reload, "reloader": reloader}
        return self.broadcast("pool_restart", arguments, destination=destination, **options)

    def autoscale(self, max: int, min: int, destination: Any = None, **options: Any) -> R:
        """Change the bounds between which workers scale themselves.

        Args:
            max: slots at most.
            min: slots at least.
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("autoscale", {"max": max, "min": min}, destination=destination, **options)

    def shutdown(self, destination: Any = None, **options: Any) -> R:
        """Have workers stop: what runs may end.

        Args:
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("shutdown", {}, destination=destination, **options)

    # events

    def enable_events(self, destination: Any = None, **options: Any) -> R:
        """Have workers send events of tasks.

        Args:
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("enable_events", {}, destination=destination, **options)

    def disable_events(self, destination: Any = None, **options: Any) -> R:
        """Have workers send no events of tasks.

        Args:
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("disable_events", {}, destination=destination, **options)

    def heartbeat(self, destination: Any = None, **options: Any) -> R:
        """Have workers send a heartbeat now.

        Args:
            destination: only these workers.
            **options: of `broadcast`.
        """
        return self.broadcast("heartbeat", {}, destination=destination, **options)

    def election(self, id: str, topic: str, action: Any = None, **options: Any) -> R:
        """Have workers elect one of them, which then does something.

        Args:
            id: of the election.
            topic: what it is about.
            action: what the elected one does.
            **options: of `broadcast`.
        """
        return self.broadcast("election", {"id": id, "topic": topic, "action": action}, **options)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
