"""``celery.contrib.testing.manager``: waits for what tests expect."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from umbel import states
from umbel.errors import ContentDisallowed, TimeoutError
from umbel.results.handles import ResultSet


class Sentinel(Exception):
    """An error: the thing that is waited for has not happened yet."""


class ManagerMixin:
    """The waiting of `Manager`."""

    app: Any

    def _init_manager(self, block_timeout: float = 1800.0, no_join: bool = False, **_: Any) -> None:
        self.block_timeout = block_timeout
        self.no_join = no_join

    def wait_for(
        self,
        fun: Callable[..., Any],
        catch: Any,
        desc: str = "thing",
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        errback: Callable[..., Any] | None = None,
        max_retries: int = 10,
        interval_start: float = 0.1,
        interval_step: float = 0.5,
        interval_max: float = 5.0,
        **options: Any,  # noqa: ARG002
    ) -> Any:
        """Call a function until it does not raise.

        Args:
            fun: the function.
            catch: exceptions after which it is called again.
            desc: what is waited for, in words.
            args: its positional arguments.
            kwargs: its keyword arguments.
            errback: called with each exception, the seconds until the next call, and the number of the call.
            max_retries: calls after the first.
            interval_start: seconds before the second call.
            interval_step: seconds by which that grows.
            interval_max: seconds, at most.
            options: Celery's; without effect.
        """
        interval = interval_start
        for number in range(max_retries + 1):
            try:
                return fun(*args, **(kwargs or {}))
            except catch as error:
                if number == max_retries:
                    error.add_note(f"waited for: {desc}")
                    raise
                if errback is not None:
                    errback(error, interval, number)
                time.sleep(interval)
                interval = min(interval + interval_step, interval_max)
        return None

    def ensure_not_for_a_while(
        self, fun: Callable[..., Any], catch: Any, desc: str = "thing", max_retries: int = 20, **options: Any
    ) -> None:
        """See to it that something does not happen.

        Args:
            fun: returns when it has happened.
            catch: what it raises as long as it has not.
            desc: what it is, in words.
            max_retries: calls after the first.
            options: as for `wait_for`.
        """
        try:
            self.wait_for(fun, catch, desc=desc, max_retries=max_retries, **{"interval_step": 0.02, "interval_max": 1.0, **options})
        except catch:
            return
        raise AssertionError(f"it should not have happened: {desc}")

    def join(self, r: Any, propagate: bool = False, max_retries: int = 10, **kwargs: Any) -> Any:
        """Get results, however long it takes.

        Args:
            r: one, or a set.
            propagate: raise what tasks raise.
            max_retries: attempts.
            kwargs: of ``get``.
        """
        if self.no_join:
            return None
        results = r if isinstance(r, ResultSet) else self.app.ResultSet([r])
        for _ in range(max_retries):
            try:
                return results.get(propagate=propagate, **kwargs)
            except TimeoutError:
                continue
        raise AssertionError("results are missing")

    def inspect(self, timeout: float = 3.0) -> Any:
        """Return what looks into workers.

        Args:
            timeout: seconds for their answers.
        """
        return self.app.control.inspect(timeout=timeout)

    def query_tasks(self, ids: Sequence[str], timeout: float = 0.5) -> Iterator[Any]:
        """Ask the workers for tasks.

        Args:
            ids: of the tasks.
            timeout: seconds for the answers.
        """
        yield from (self.inspect(timeout).query_task(*ids) or {}).items()

    def query_task_states(self, ids: Sequence[str], timeout: float = 0.5) -> defaultdict[str, set[str]]:
        """Ask the workers for tasks; returns ids by what becomes of them.

        Args:
            ids: of the tasks.
            timeout: seconds for the answers.
        """
        found: defaultdict[str, set[str]] = defaultdict(set)
        for _, reply in self.query_tasks(ids, timeout=timeout):
            for task_id, (state, _info) in reply.items():
                found[state].add(task_id)
        return found

    def assert_accepted(self, ids: Sequence[str], interval: float = 0.5, desc: str = "tasks to be accepted", **policy: Any) -> Any:
        """Wait until tasks run.

        Args:
            ids: of the tasks.
            interval: seconds for an answer.
            desc: in words.
            policy: of `wait_for`.
        """
        return self.assert_task_worker_state(self.is_accepted, ids, interval=interval, desc=desc, **policy)

    def assert_received(self, ids: Sequence[str], interval: float = 0.5, desc: str = "tasks to be received", **policy: Any) -> Any:
        """Wait until tasks are with a worker.

        Args:
            ids: of the tasks.
            interval: seconds for an answer.
            desc: in words.
            policy: of `wait_for`.
        """
        return self.assert_task_worker_state(self.is_received, ids, interval=interval, desc=desc, **policy)

    def assert_result_tasks_in_progress_or_completed(self, async_results: Sequence[Any], interval: float = 0.5, **policy: Any) -> Any:
        """Wait until tasks have begun.

        Args:
            async_results: theirs.
            interval: Celery's; without effect.
            policy: of `wait_for`.
        """
        return self.assert_task_state_from_result(self.is_result_task_in_progress, async_results, interval=interval, **policy)

    def assert_task_state_from_result(self, fun: Callable[..., Any], results: Sequence[Any], interval: float = 0.5, **policy: Any) -> Any:
        """Wait until a function of results returns true.

        Args:
            fun: the function.
            results: the results.
            interval: passed on to it as ``timeout``.
            policy: of `wait_for`.
        """
        return self.wait_for(partial(self.true_or_raise, fun, results, timeout=interval), (Sentinel,), **policy)

    assert_task_worker_state = assert_task_state_from_result

    @staticmethod
    def is_result_task_in_progress(results: Sequence[Any], **_: Any) -> bool:
        """Report whether all tasks have begun.

        Args:
            results: theirs.
        """
        return all(result.state in {states.STARTED, states.SUCCESS} for result in results)

    def is_received(self, ids: Sequence[str], **kwargs: Any) -> bool:
        """Report whether all tasks are with a worker.

        Args:
            ids: theirs.
            kwargs: ``timeout``.
        """
        return self._are_in({"reserved", "active", "ready"}, ids, **kwargs)

    def is_accepted(self, ids: Sequence[str], **kwargs: Any) -> bool:
        """Report whether all tasks run.

        Args:
            ids: theirs.
            kwargs: ``timeout``.
        """
        return self._are_in({"active", "ready"}, ids, **kwargs)

    def _are_in(self, wanted: set[str], ids: Sequence[str], timeout: float = 0.5) -> bool:
        found = self.query_task_states(ids, timeout=timeout)
        return all(any(task_id in found[state] for state in wanted) for task_id in ids)

    def true_or_raise(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what a function returns.

        Args:
            fun: the function.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Raises:
            Sentinel: it is false.
        """
        value = fun(*args, **kwargs)
        if not value:
            raise Sentinel
        return value

    def wait_until_idle(self) -> None:
        """Drop what waits in the queues until nothing comes, and wait until no task runs."""
        while self.app.control.purge():
            pass
        inspect = self.app.control.inspect()
        while True:
            try:
                if not sum(len(tasks) for tasks in (inspect.active() or {}).values()):
                    return
            except ContentDisallowed:
                return


class Manager(ManagerMixin):
    """Waits for what tests expect.

    Args:
        app: whose tasks.
        kwargs: Celery's.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self._init_manager(**kwargs)
