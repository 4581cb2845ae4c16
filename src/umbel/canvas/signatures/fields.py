"""The fields of a signature as attributes."""

from __future__ import annotations

from typing import Any, Self

from umbel import current
from umbel.canvas import shapes


class Fields(dict[str, Any]):
    """A signature's dict, and its values by name."""

    _app: Any = None
    _type: Any = None

    def belong(self, app: Any, task: Any = None) -> Self:
        """Make it an app's; returns it.

        Args:
            app: ``None`` for the current one, whenever it is needed.
            task: the task object, where it is known.
        """
        self._app, self._type = app, task
        return self

    @property
    def task(self) -> str:
        """The task's name."""
        name: str = self["task"]
        return name

    @task.setter
    def task(self, name: str) -> None:
        self["task"] = name

    @property
    def args(self) -> Any:
        """Positional arguments."""
        return self.get("args") or ()

    @args.setter
    def args(self, args: Any) -> None:
        self["args"] = args

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments."""
        found: dict[str, Any] = self.setdefault("kwargs", {})
        return found

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any]) -> None:
        self["kwargs"] = kwargs

    @property
    def options(self) -> dict[str, Any]:
        """Calling options."""
        found: dict[str, Any] = self.setdefault("options", {})
        return found

    @options.setter
    def options(self, options: dict[str, Any]) -> None:
        self["options"] = options

    @property
    def subtask_type(self) -> str | None:
        """The kind of workflow, ``None`` for a task."""
        return self.get("subtask_type")

    @property
    def immutable(self) -> bool:
        """It takes no more arguments."""
        return bool(self.get("immutable"))

    @immutable.setter
    def immutable(self, immutable: bool) -> None:
        self["immutable"] = immutable

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task

    @property
    def id(self) -> str | None:
        """The task's id, when it is frozen."""
        return self.options.get("task_id")

    @property
    def parent_id(self) -> str | None:
        """The id of the task before it, when that is known."""
        return self.options.get("parent_id")

    @property
    def root_id(self) -> str | None:
        """The id of the task that everything began with, when that is known."""
        return self.options.get("root_id")

    @property
    def app_or_none(self) -> Any:
        """The app that it, or the first of its parts that has one, was made for."""
        pending: list[Any] = [self]
        while pending:
            node = pending.pop()
            found = getattr(node, "_app", None)
            if found is not None:
                return found
            if shapes.kind(node) == shapes.CHORD:
                pending.append(shapes.body(node) or {})
                pending.extend(reversed(shapes.header(node)))
            elif shapes.kind(node) != shapes.TASK:
                pending.extend(reversed(shapes.tasks(node)))
        return None

    @property
    def app(self) -> Any:
        """Its app: the one it was made for, else the current one.

        Raises:
            RuntimeError: there is none.
        """
        found = self.app_or_none or current.find_app()
        if found is None:
            raise RuntimeError(f"{self.task} belongs to no app: make one (app = Umbel(…)), or write app.signature({self.task!r})")
        return found

    @property
    def type(self) -> Any:
        """The task object.

        Raises:
            NotRegistered: its app has no such task.
        """
        return self._type if self._type is not None else self.app.tasks[self.task]
