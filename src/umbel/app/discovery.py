"""From what a user typed after ``-A`` to the app: ``find_app("tasks")``, ``find_app("pkg.mod:attribute")``."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from umbel.app.app import Umbel
from umbel.app.task.task import Task
from umbel.errors import ImproperlyConfigured

#: Attributes that are looked at first, in this order.
_USUAL = ("app", "celery")
#: Modules inside a package that usually hold its app.
_USUAL_MODULES = ("celery", "umbel_app", "app")


@dataclass(frozen=True, slots=True)
class FoundApp:
    """An app and the path by which another process finds it."""

    app: Umbel
    #: ``module:attribute``.
    import_path: str


def find_app(text: str) -> FoundApp:
    """Find an app.

    Celery's rules (5.7): ``module:attribute``; else the module's ``app``; else its ``celery``; else the module ``celery`` inside the
    package; else the first app in the module. ``module.attribute`` works too.

    Args:
        text: as after ``-A``.

    Raises:
        ImproperlyConfigured: nothing is there. The text says what was looked for, where, and what was found instead.
    """
    _add_working_folder()
    name, colon, attribute = text.partition(":")
    if not name or name.startswith(".") or name.endswith(".py") or "/" in name or os.sep in name:
        raise ImproperlyConfigured(_not_a_module(text))
    module, rest = _import(name, text)
    path = ".".join(part for part in (rest, attribute) if part)
    if path:
        return _named(module, path, text)
    found = _in_module(module) or _in_package(module)
    if found is None:
        raise ImproperlyConfigured(_nothing_in(module, text, explicit=bool(colon)))
    found.app.import_path = found.import_path
    return found


def _add_working_folder() -> None:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _import(name: str, text: str) -> tuple[ModuleType, str]:
    """The longest importable beginning of a dotted name, and the rest of it (at most one word)."""
    try:
        return importlib.import_module(name), ""
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise _broken(name, text, error) from error
        parent, _, last = name.rpartition(".")
        if not parent or error.name != name:
            raise ImproperlyConfigured(_no_module(text, error.name or name)) from None
        module = importlib.import_module(parent)
        if not hasattr(module, last):
            raise ImproperlyConfigured(_no_module(text, name, module)) from None
        return module, last
    except Exception as error:
        raise _broken(name, text, error) from error


def _broken(name: str, text: str, error: Exception) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"-A {text}: the module {name!r} was found, but importing it failed with {type(error).__name__}: {error}")


def _named(module: ModuleType, path: str, text: str) -> FoundApp:
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise ImproperlyConfigured(_no_attribute(module, part, text))
        found = getattr(found, part)
    if isinstance(found, ModuleType):
        inside = _in_module(found) or _in_package(found)
        if inside is not None:
            inside.app.import_path = inside.import_path
            return inside
        raise ImproperlyConfigured(_nothing_in(found, text, explicit=True))
    if not isinstance(found, Umbel) and callable(found) and not isinstance(found, type) and getattr(found, "__code__", None) is not None:
        found = found()  # an application factory
    if not isinstance(found, Umbel):
        raise ImproperlyConfigured(
            f"-A {text}: {path!r} in module {module.__name__!r} is not an app but {_kind(found)}{_apps_hint(module)}"
        )
    found.import_path = f"{module.__name__}:{path}"
    return FoundApp(found, found.import_path)


def _in_module(module: ModuleType) -> FoundApp | None:
    for name in _USUAL:
        found = getattr(module, name, None)
        if isinstance(found, Umbel):
            return FoundApp(found, f"{module.__name__}:{name}")
        if isinstance(found, ModuleType):
            inside = next(_apps(found), None)
            if inside is not None:
                return FoundApp(inside[1], f"{found.__name__}:{inside[0]}")
    return None


def _in_package(module: ModuleType) -> FoundApp | None:
    if hasattr(module, "__path__"):
        for name in _USUAL_MODULES:
            full = f"{module.__name__}.{name}"
            if importlib.util.find_spec(full) is None:
                continue
            try:
                inner = importlib.import_module(full)
            except Exception as error:
                raise _broken(full, full, error) from error
            inside = _in_module(inner) or next((FoundApp(app, f"{full}:{key}") for key, app in _apps(inner)), None)
            if inside is not None:
                return inside
    first = next(_apps(module), None)
    return None if first is None else FoundApp(first[1], f"{module.__name__}:{first[0]}")


def _apps(module: ModuleType) -> Iterator[tuple[str, Umbel]]:
    for name, value in list(vars(module).items()):
        if isinstance(value, Umbel):
            yield name, value


# what went wrong, in words


def candidates(folder: Path | None = None) -> list[str]:
    """List modules in ``folder``, or in the current one, that look as if they made an app, as one would name them after ``-A``."""
    folder = folder or Path.cwd()
    found = []
    for path in sorted([*folder.glob("*.py"), *folder.glob("*/celery.py"), *folder.glob("*/__init__.py")])[:200]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if "Umbel(" in text or "Celery(" in text:
            name = ".".join(path.relative_to(folder).with_suffix("").parts)
            found.append(name.removesuffix(".__init__").removesuffix(".celery"))
    return list(dict.fromkeys(found))


def _not_a_module(text: str) -> str:
    path, _, attribute = text.partition(":")
    if not path:
        return f"-A {text or repr(text)}: expected the name of a module such as tasks or proj.tasks:app"
    file = Path(path).resolve().with_suffix("")
    here = Path.cwd()
    inside = file.is_relative_to(here)
    module = ".".join(file.relative_to(here if inside else file.parent).parts)
    meant = f"{module}:{attribute}" if attribute else module
    hint = f"; did you mean -A {meant}?" if inside and module else f"; did you mean --workdir {file.parent} -A {meant}?" if module else ""
    return f"-A {text}: expected the name of a module such as tasks or proj.tasks:app, not a file{hint}"


def _no_module(text: str, missing: str, module: ModuleType | None = None) -> str:
    if module is not None:
        last = text.partition(":")[0].rpartition(".")[2]
        return f"-A {text}: {module.__name__!r} has neither a module nor an attribute {last!r} (looked in {_place(module)}){_apps_hint(module)}"
    here = Path.cwd()
    known = sorted({path.stem for path in here.glob("*.py")} | {path.parent.name for path in here.glob("*/__init__.py")})
    close = difflib.get_close_matches(missing, known, n=1)
    able = [] if close else candidates()
    hint = (
        f" Did you mean -A {close[0]}?"
        if close
        else f" -A names the module, not the app; here it could be {' or '.join(f'-A {name}' for name in able[:3])}."
        if able
        else " No module in that folder makes an app: is it the right one (--workdir)?"
    )
    return f"-A {text}: there is no module {missing!r} in {here} or on the module search path.{hint}"


def _no_attribute(module: ModuleType, name: str, text: str) -> str:
    close = difflib.get_close_matches(name, [key for key in vars(module) if not key.startswith("__")], n=1)
    hint = f"; did you mean {module.__name__}:{close[0]}?" if close else ""
    return f"-A {text}: the module {module.__name__!r} ({_place(module)}) has no {name!r}{hint or _apps_hint(module)}"


def _nothing_in(module: ModuleType, text: str, *, explicit: bool) -> str:
    looked = "" if explicit else ", an attribute 'app' or 'celery', a module 'celery' inside it, or any app at all"
    folder = getattr(module, "__path__", None)
    inside = [f"-A {module.__name__}.{name}" for name in candidates(Path(next(iter(folder))))] if folder else []
    hint = f" Did you mean {' or '.join(inside[:3])}?" if inside else _has(module)
    return f"-A {text}: no app in module {module.__name__!r} ({_place(module)}); looked for{looked[1:] or ' an app'}.{hint}"


def _apps_hint(module: ModuleType) -> str:
    names = [name for name, _ in _apps(module)]
    return f"; its apps are {', '.join(f'{module.__name__}:{name}' for name in names)}" if names else f".{_has(module)}"


def _has(module: ModuleType) -> str:
    """List what a module defines, without what it imports."""
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", module.__name__) == module.__name__
    ]
    return f" It has: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else " It defines nothing."


def _place(module: ModuleType) -> str:
    folder = getattr(module, "__path__", None)
    return getattr(module, "__file__", None) or (f"the folder {next(iter(folder))}" if folder else "built in")


def _kind(value: Any) -> str:
    if isinstance(value, Task):
        return f"the task {value.name}"
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
