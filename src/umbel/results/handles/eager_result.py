"""`EagerResult`: the result of a task that has run in its caller."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from umbel.results.handles.async_result import AsyncResult
from umbel.results.model import Record

R = TypeVar("R")


class EagerResult(AsyncResult[R]):
    """The result of a task that has run in this process."""

    def __init__(self, id: str, ret_value: Any, state: str, traceback: str | None = None, name: str | None = None) -> None:
        super().__init__(id, task_name=name)
        self._final = Record(task_id=id, status=state, result=None, traceback=traceback)
        self._value = ret_value

    def __reduce__(self) -> tuple[Any, ...]:
        record = cast("Record", self._final)
        return self.__class__, (self.id, self._value, record.status, record.traceback, self._task_name)

    def _record(self) -> Record | None:
        return self._final

    @property
    def result(self) -> Any:
        """The return value, or the exception."""
        return self._value

    info = result

    def ready(self) -> bool:
        """It has run."""
        return True

    def revoke(self, *args: Any, **options: Any) -> None:
        """Do nothing, whatever ``*args`` and ``**options``: it has run."""

    def forget(self) -> None:
        """Nothing is stored."""
