"""Recipes: another process gets the app by importing it, or makes one like it.

An app that is bound to a name in a module is imported. One that is not (made in a test's fixture, or by a factory) is made anew: from its class and
settings, by importing the modules that define shared tasks, and by registering its own tasks.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import operator
import pickle
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from umbel.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from umbel.app.app import Umbel

logger: logging.Logger = logging.getLogger("umbel.child")

#: Attributes that a task gets when it is made.
_OF_ITS_MAKING = frozenset({"app", "abstract", "run", "bound", "name", "_plans", "_annotated"})
#: What this process has made of recipes: a child that is forked finds what its template has made.
_made: dict[AppRecipe, Umbel] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecipe:
    """Makes a task of an app."""

    name: str
    #: ``module:name`` of its function or class.
    path: str
    #: There is a task at that path; its function is what is meant.
    is_wrapped: bool = False
    #: It is an instance of a class, whose attributes are the details.
    is_instance: bool = False
    #: Pickled. Of a function: the function if it has no path, the class to inherit from (``None``: the app's own), and options.
    details: bytes = b""

    def register(self, app: Umbel) -> None:
        """Make the task in an ``app`` that is made anew."""
        found: Any = _at(self.path) if self.path else None
        details: Any = pickle.loads(self.details)  # noqa: S301 - of our parent
        if self.is_instance:
            task = found.__new__(found)
            task.__dict__.update(details)
            app.register_task(task)
            return
        function, base, options = details
        if found is not None:
            function = found.__wrapped__ if self.is_wrapped else found
        if base is not None:
            options["base"] = base
        make: Any = app.task
        make(**options, name=self.name)(function)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRecipe:
    """Gets an app. Crosses process boundaries by pickle."""

    #: ``module:attribute``, or what else may stand after ``-A``. It is made anew where there is none, or nothing is found there.
    import_path: str = ""
    #: Pickled: the app, that is its class and settings; and what else it was made with.
    constructor: bytes = b""
    #: They define shared tasks.
    modules: tuple[str, ...] = ()
    tasks: tuple[TaskRecipe, ...] = ()

    @classmethod
    def of(cls, app: Umbel, import_path: str = "") -> AppRecipe:
        """The recipe for an app.

        Args:
            app: with all its tasks.
            import_path: ``module:attribute`` by which it was found, if that is known.

        Raises:
            ImproperlyConfigured: it can neither be imported nor be made anew; names the task or setting that prevents it.
        """
        path = import_path or app.import_path
        if not path:
            return cls._making(app)
        if (
            path.partition(":")[0] not in sys.modules
        ):  # this is the script: what it binds as the main program is not there when it is imported
            with contextlib.suppress(ImproperlyConfigured):
                return replace(cls._making(app), import_path=path)
        return cls(import_path=path)

    @classmethod
    def _making(cls, app: Umbel) -> AppRecipe:
        # Not at the top: a template is started before the app is imported.
        from umbel.app.task import builtin_tasks
        from umbel.app.task.registry import SHARED

        shared = SHARED.functions_in(app)
        functions = {name: _function_of(task) for name, task in sorted(app.tasks.items())}
        own = [
            app.tasks[name]
            for name, function in functions.items()
            if function is not shared.get(name) and getattr(function, "__module__", None) != builtin_tasks.__name__
        ]
        modules = {function.__module__ for function in shared.values()} - {"__main__"}
        return cls(constructor=_constructor(app), modules=tuple(sorted(modules)), tasks=tuple(_recipe_of(task) for task in own))

    def load(self) -> Umbel:
        """Get the app, in another process.

        Raises:
            ImproperlyConfigured: there is no such app.
            Exception: what its modules raise.
        """
        if self.import_path:
            from umbel.app.discovery import find_app

            try:
                return find_app(self.import_path).app
            except ImproperlyConfigured:
                if not self.constructor:
                    raise
        if self not in _made:
            app: Umbel
            app, app.task_cls, app.strict_typing = pickle.loads(self.constructor)  # noqa: S301 - of our parent
            app.set_current()
            for module in self.modules:
                _import_shared(module)
            for task in self.tasks:
                task.register(app)
            _made[self] = app
        return _made[self]


def _import_shared(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:  # found by other rules there: a test runner's, say
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        logger.warning("The module %s cannot be imported in children: its shared tasks are not known there", module)


def _constructor(app: Umbel) -> bytes:
    try:
        return pickle.dumps((app, app.task_cls, app.strict_typing))
    except Exception as error:
        for name, value in app.conf.without_defaults().items():
            if (reason := _refusal(value)) is not None:
                raise _impossible(f"the setting {name} cannot be pickled ({reason})") from error
        raise _impossible(f"its class cannot be pickled ({_told(error)})") from error


def _recipe_of(task: Any) -> TaskRecipe:
    kind, function = type(task), vars(task).get("__wrapped__")
    if function is None:
        path, _ = _path_of(kind)
        if not path:
            raise _impossible(f"the class {kind.__qualname__} of the task {task.name} is not at the top of a module that can be imported")
        details: Any = {name: value for name, value in vars(task).items() if name not in _OF_ITS_MAKING - {"name"}}
        return TaskRecipe(name=task.name, path=path, is_instance=True, details=_pickled(task, details))
    path, is_wrapped = _path_of(function)
    if not path and (reason := _refusal(function)) is not None:
        raise _impossible(
            f"the function of the task {task.name} is not at the top of a module that can be imported, nor can it be pickled ({reason})"
        )
    base = kind.__bases__[0]
    attributes = {**vars(kind), **vars(task)}
    options = {name: value for name, value in attributes.items() if name not in _OF_ITS_MAKING and not name.startswith("__")}
    details = (None if path else function, None if _is_made_by_app(base) else base, {**options, "bind": task.bound})
    return TaskRecipe(name=task.name, path=path, is_wrapped=is_wrapped, details=_pickled(task, details))


def _function_of(task: Any) -> Any:
    return inspect.unwrap(getattr(task, "__wrapped__", task.run))


def _is_made_by_app(base: type) -> bool:
    """True of the class that an app derives for its tasks."""
    return "app" in vars(base) and _path_of(base)[0] == ""


def _path_of(wanted: Any) -> tuple[str, bool]:
    """``module:name`` at which another process finds a function or class; and whether a task is found there, that wraps it. Else an empty path."""
    module, name = getattr(wanted, "__module__", None) or "", getattr(wanted, "__qualname__", "")
    if _is_typed_in(wanted):
        return "", False
    try:
        found = operator.attrgetter(name)(sys.modules[module])
    except (AttributeError, KeyError):
        return "", False
    is_wrapped = found is not wanted and getattr(found, "__wrapped__", None) is wanted
    return (f"{module}:{name}", is_wrapped) if found is wanted or is_wrapped else ("", False)


def _at(path: str) -> Any:
    module, _, name = path.partition(":")
    return operator.attrgetter(name)(importlib.import_module(module))


def _pickled(task: Any, details: Any) -> bytes:
    try:
        return pickle.dumps(details)
    except Exception as error:
        raise _impossible(f"an attribute of the task {task.name} cannot be pickled ({_told(error)})") from error


def _is_typed_in(wanted: Any) -> bool:
    """True of what is defined in a main program that has no file: typed in, or in a notebook's cell."""
    main = sys.modules["__main__"]
    is_main = getattr(wanted, "__module__", None) == "__main__"
    return is_main and getattr(main, "__file__", None) is None and getattr(main, "__spec__", None) is None


def _refusal(value: Any) -> str | None:
    if _is_typed_in(value):
        return "it is defined in a program without a file"
    try:
        pickle.dumps(value)
    except Exception as error:
        return _told(error)
    return None


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _impossible(reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"children cannot find the app, and cannot make one like it: {reason}. "
        "Bind the app to a name in a module that can be imported, define its tasks at the top of modules, or use the pool solo"
    )
