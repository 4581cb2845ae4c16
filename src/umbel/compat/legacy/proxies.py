"""Celery's ``celery.local``: objects that stand for others."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from umbel.app import proxies


class Proxy(proxies.Proxy):
    """Passes everything on to an object that a function returns.

    Args:
        local: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.
        name: of the proxy, for those who look.
        __doc__: its documentation.
    """

    __slots__ = ("__dict__",)

    def __init__(
        self, local: Callable[..., Any], args: Any = None, kwargs: Any = None, name: str | None = None, __doc__: str | None = None
    ) -> None:
        super().__init__(lambda: local(*(args or ()), **(kwargs or {})))
        for key, value in (("__name__", name), ("__doc__", __doc__)):
            if value is not None:
                object.__setattr__(self, key, value)

    @property
    def __class__(self) -> Any:
        return self._find().__class__

    @__class__.setter
    def __class__(self, value: Any) -> None:
        self._find().__class__ = value

    def __getitem__(self, key: Any) -> Any:
        return self._find()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._find()[key] = value

    def __contains__(self, key: Any) -> bool:
        return key in self._find()

    def __iter__(self) -> Any:
        return iter(self._find())

    def __len__(self) -> int:
        return len(self._find())

    def __str__(self) -> str:
        return str(self._find())


class PromiseProxy(Proxy):
    """A `Proxy` that asks its function once."""

    __slots__ = ()

    def __init__(self, local: Callable[..., Any], args: Any = None, kwargs: Any = None, **named: Any) -> None:
        found: list[Any] = []

        def ask() -> Any:
            if not found:
                found.append(local(*(args or ()), **(kwargs or {})))
            return found[0]

        super().__init__(ask, **named)
        object.__setattr__(self, "__evaluated__", lambda: bool(found))

    def __maybe_evaluate__(self) -> Any:
        """Return the object."""
        return self._find()


def maybe_evaluate(obj: Any) -> Any:
    """Return the object that a `PromiseProxy` stands for; anything else as it is.

    Args:
        obj: either.
    """
    return obj._find() if isinstance(obj, PromiseProxy) else obj  # noqa: SLF001 - its own kind


def try_import(module: str, default: Any = None) -> Any:
    """Import a module if it is there.

    Args:
        module: its name.
        default: returned when it is not.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        return default


class class_property:  # noqa: N801 - Celery's name
    """A property of a class.

    Args:
        getter: called with the class.
        setter: called with the class and a value.
    """

    def __init__(self, getter: Any = None, setter: Any = None) -> None:
        self._get = getter
        self._set = setter

    def __get__(self, obj: Any, type: Any = None) -> Any:
        return self._get(type if type is not None else obj.__class__)

    def __set__(self, obj: Any, value: Any) -> None:
        if self._set is not None and obj is not None:
            self._set(obj.__class__, value)
