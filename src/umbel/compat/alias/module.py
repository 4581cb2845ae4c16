"""`AliasModule`: a module that looks its contents up when they are asked for."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, Final

from umbel.compat.names.table import AliasTable

_NOTHING: Final = object()
GUIDE: Final = "docs/guide/moving-from-celery.md"


class AliasModule(ModuleType):
    """A module under a foreign name.

    Args:
        name: e.g. ``celery.result``.
        table: what is in it.
        inside: names of the modules in it.
    """

    def __init__(self, name: str, table: AliasTable, inside: frozenset[str]) -> None:
        super().__init__(name, f"Umbel under the name of {name}.")
        places = {theirs: (module, ours) for theirs, module, ours in table.places()}
        self.__dict__.update(table.values)
        self.__dict__.update(_table=table, _places=places, _inside=inside)
        self.__dict__["__all__"] = sorted(name for name in (*places, *table.values) if not name.startswith("_"))

    def __getattr__(self, name: str) -> Any:
        kept: dict[str, Any] = self.__dict__
        if name in kept["_places"]:
            module, ours = kept["_places"][name]
            found = _taken(self.__name__, name, module, ours)
            kept[name] = found
            return found
        if name in kept["_inside"]:
            return importlib.import_module(f"{self.__name__}.{name}")
        table: AliasTable = kept["_table"]
        if table.live and not name.startswith("__") and name not in table.elsewhere:
            return getattr(importlib.import_module(table.live), name)
        raise AttributeError(missing(self.__name__, name, table), name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._table.live and not isinstance(value, AliasModule) and not name.startswith("__"):
            setattr(importlib.import_module(self._table.live), name, value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if self._table.live and name not in self.__dict__:
            delattr(importlib.import_module(self._table.live), name)
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        live = dir(importlib.import_module(self._table.live)) if self._table.live else ()
        return sorted({*self.__dict__, *self._places, *self._inside, *live} - {"_table", "_places", "_inside"})


def _taken(owner: str, name: str, module: str, ours: str) -> Any:
    """Look up one of our names; raises an AttributeError where it is not there yet."""
    try:
        taken = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
    else:
        found = getattr(taken, ours, _NOTHING)
        if found is not _NOTHING:
            return found
    raise AttributeError(later(owner, name), name=name)


def later(owner: str, name: str) -> str:
    """Say that a name will be there.

    Args:
        owner: the module's name.
        name: what was asked for.
    """
    return f"Umbel has no {owner}.{name} yet: it will come with a later version"


def missing(owner: str, name: str, table: AliasTable) -> str:
    """Say that a module has no such name, and what to use in its place.

    Args:
        owner: the module's name.
        name: what was asked for.
        table: what is in it.
    """
    if any(theirs == name for theirs, _, _ in table.places()):
        return later(owner, name)
    instead = table.elsewhere.get(name)
    if instead:
        return f"Umbel has no {owner}.{name}: use {instead}"
    return f"Umbel has no {owner}.{name}; what a project can use of Celery is listed in {GUIDE}"


def is_ours(name: str) -> bool:
    """Report whether a module of this ``name`` is loaded, and is ours."""
    return isinstance(sys.modules.get(name), AliasModule)
