"""The finder and the loader of alias modules, and their installation."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Final

from umbel import current
from umbel.compat.alias.module import GUIDE, AliasModule, is_ours, missing
from umbel.compat.names.table import AliasTable

#: In the environment: ``import celery`` is ours, in this process and in its children.
VARIABLE: Final = "UMBEL_AS_CELERY"
#: Packages that are ours even where the real one is installed; and those that are ours only where it is not.
ALWAYS: Final = frozenset({"celery"})
ELSE: Final = frozenset({"kombu", "billiard"})


class NotInUmbel(ImportError):
    """An error: a name of Celery's that Umbel does not have. The text says what to use instead."""


class AliasLoader(ExecutionLoader):
    """Makes alias modules.

    Args:
        tables: by the full name of the module.
    """

    def __init__(self, tables: Mapping[str, AliasTable]) -> None:
        self._tables = tables

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        start = len(spec.name) + 1
        inside = {name[start:].partition(".")[0] for name in self._tables if name.startswith(f"{spec.name}.")}
        return AliasModule(spec.name, self._tables[spec.name], frozenset(inside))

    def exec_module(self, module: ModuleType) -> None:
        """Its contents are looked up when they are asked for; one that lives is loaded, for it may have to see what happens from now on."""
        live = self._tables[module.__name__].live
        if live:
            importlib.import_module(live)

    # What `runpy` needs, for ``python -m celery``.

    def get_code(self, fullname: str) -> CodeType | None:
        return compile(self.get_source(fullname), self.get_filename(fullname), "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str:
        program = self._tables[fullname].values.get("__program__", "") if fullname in self._tables else ""
        return str(program)

    def get_filename(self, fullname: str) -> str:
        return f"<umbel as {fullname}>"


class AliasFinder(MetaPathFinder):
    """Finds alias modules.

    Args:
        packages: names of the packages whose modules it knows.
    """

    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        root, _, inside = fullname.partition(".")
        if root not in self._packages or (inside and not is_ours(root)):
            return None
        from umbel.compat.names import TABLES

        if fullname in TABLES:
            # Each is a package, so that Python asks here for a name that is not in it, as for a module in it (below).
            return ModuleSpec(fullname, AliasLoader(TABLES), origin=f"umbel as {root}", is_package=inside != "__main__")
        parent, _, name = fullname.rpartition(".")
        # Raised from here, the text reaches whoever writes `from celery.app.amqp import AMQP`: an AttributeError of the module's would be
        # replaced by Python's own words.
        raise NotInUmbel(missing(parent, name, TABLES.get(parent, AliasTable())), name=fullname)


class AlreadyImported(ImportError):
    """An error: the real Celery is in use in this process."""


def install() -> None:
    """Let ``import celery`` find Umbel from now on, in this process and in the children that it starts. Safe twice.

    Raises:
        AlreadyImported: Celery itself was imported before.
    """
    os.environ[VARIABLE] = "1"
    if any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        return
    real = next((name for name in sys.modules if name.partition(".")[0] in ALWAYS), None)
    if real is not None:
        place = getattr(sys.modules[real], "__file__", None) or "?"
        raise AlreadyImported(
            f"{real} was imported already, from {place}: import umbel.compat.celery must come before it, as the first line of the program, "
            f"or set {VARIABLE}=1 in the environment ({GUIDE})",
            name=real,
        )
    current.make_apps_with(default_app)
    sys.meta_path.insert(0, AliasFinder(ALWAYS))
    sys.meta_path.append(AliasFinder(ELSE))  # asked when no other finder has it
    # A project's settings of logging name Celery's loggers.
    for ours, theirs in (("umbel", "celery"), ("umbel.task", "celery.task")):
        logging.getLogger(ours).parent = logging.getLogger(theirs)


def spec_of(name: str) -> ModuleSpec | None:
    """Return the spec of one of our modules, once `install` was called.

    Args:
        name: of the module.
    """
    finders = (finder for finder in sys.meta_path if isinstance(finder, AliasFinder))
    return next((spec for finder in finders if (spec := finder.find_spec(name)) is not None), None)


def default_app(*args: Any, **kwargs: Any) -> Any:
    """Make the app of a process that has none. As Celery's, it takes its settings from ``celeryconfig``, if there is such a module.

    Args:
        args: of `umbel.compat.app.Celery`.
        kwargs: of `umbel.compat.app.Celery`.
    """
    from umbel.compat.app import Celery

    app = Celery(*args, **kwargs)
    app.config_from_object("celeryconfig", silent=True)
    return app
