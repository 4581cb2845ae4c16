"""Celery's ``celery.utils.imports``."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any


def symbol_by_name(
    name: Any,
    aliases: Mapping[str, str] | None = None,
    imp: Any = None,
    package: str | None = None,
    sep: str = ".",
    default: Any = None,
    **kwargs: Any,  # noqa: ARG001 - kombu passes them on to the import
) -> Any:
    """Import what a path names.

    Args:
        name: ``module:name``, ``module.name`` or an alias; what is no text is returned as it is.
        aliases: short names → paths.
        imp: imports a module; `importlib.import_module` when not given.
        package: that a relative path begins in.
        sep: between a module and a name.
        default: returned when the module is not there.
        kwargs: ignored.

    Raises:
        ImportError: there is no such module.
        AttributeError: it has no such name.
    """
    if not isinstance(name, str):
        return name
    path = (aliases or {}).get(name, name)
    module, colon, attribute = path.partition(":")
    if not colon:
        module, _, attribute = path.rpartition(sep)
    if not module:
        module, attribute = (attribute, "") if not package else (package, attribute)
    try:
        found = (
            (imp or importlib.import_module)(module, package=package)
            if module.startswith(".")
            else (imp or importlib.import_module)(module)
        )
        return getattr(found, attribute) if attribute else found
    except (ImportError, AttributeError):
        if default is None:
            raise
    return default


def instantiate(name: Any, *args: Any, **kwargs: Any) -> Any:
    """Make an object of a class that a path names.

    Args:
        name: as in `symbol_by_name`.
        args: positional arguments of the class.
        kwargs: keyword arguments of the class.
    """
    return symbol_by_name(name)(*args, **kwargs)


def qualname(obj: Any) -> str:
    """Return the dotted path of an object's class, or of a class.

    Args:
        obj: either.
    """
    named = obj if hasattr(obj, "__name__") or not hasattr(obj, "__class__") else obj.__class__
    return f"{named.__module__}.{getattr(named, '__qualname__', named.__name__)}"


def gen_task_name(app: Any, name: str, module_name: str | None) -> str:
    """Make the name of a task that says none.

    Args:
        app: whose task.
        name: of its function.
        module_name: of its function.
    """
    made: str = app.gen_task_name(name, module_name or "__main__")
    return made


@contextlib.contextmanager
def cwd_in_path() -> Iterator[None]:
    """Look for modules in the current folder while a block runs."""
    here = os.getcwd()  # noqa: PTH109 - an entry of sys.path is text
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            with contextlib.suppress(ValueError):
                sys.path.remove(here)


def import_from_cwd(module: str, imp: Any = None, package: str | None = None) -> Any:
    """Import a module, from the current folder, too.

    Args:
        module: its name.
        imp: imports it; `importlib.import_module` when not given.
        package: that a relative name begins in.
    """
    with cwd_in_path():
        return (imp or importlib.import_module)(module, package=package)


def module_file(module: Any) -> str:
    """Return the path of a module's source.

    Args:
        module: the module.
    """
    path: str = module.__file__
    return path.removesuffix("c") if path.endswith(".pyc") else path


def load_extension_class_names(namespace: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of each entry point of a group.

    Args:
        namespace: the group.
    """
    return ((point.name, point.value) for point in entry_points(group=namespace))


def load_extension_classes(namespace: str) -> Iterator[tuple[str, Any]]:
    """Yield name and class of each entry point of a group.

    Args:
        namespace: the group.
    """
    return ((name, symbol_by_name(path)) for name, path in load_extension_class_names(namespace))
