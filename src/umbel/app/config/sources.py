"""Read settings from where users keep them: a dict, a module, an object, environment variables, command-line words. Pure but for imports."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel.app.config import schema
from umbel.errors import ImproperlyConfigured

#: Environment variable → setting; the first one that is set wins.
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "broker_url": ("UMBEL_BROKER_URL", "CELERY_BROKER_URL"),
    "broker_read_url": ("UMBEL_BROKER_READ_URL", "CELERY_BROKER_READ_URL"),
    "broker_write_url": ("UMBEL_BROKER_WRITE_URL", "CELERY_BROKER_WRITE_URL"),
    "result_backend": ("UMBEL_RESULT_BACKEND", "CELERY_RESULT_BACKEND"),
    "worker_revokes_max": ("UMBEL_WORKER_REVOKES_MAX", "CELERY_WORKER_REVOKES_MAX"),
    "worker_revoke_expires": ("UMBEL_WORKER_REVOKE_EXPIRES", "CELERY_WORKER_REVOKE_EXPIRES"),
}


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment variables ``environ`` name."""
    found: dict[str, Any] = {}
    for name, variables in ENVIRONMENT.items():
        for variable in variables:
            if environ.get(variable):
                found[name] = schema.SETTINGS[name].convert(environ[variable])
                break
    return found


def load(source: Any, namespace: str | None = None) -> dict[str, Any]:
    """The settings of a source.

    Args:
        source: a dict, an object or class with settings as attributes, a module, or the import path of one.
        namespace: every setting has this prefix (``CELERY`` → ``CELERY_BROKER_URL``); others are not looked at.

    Raises:
        ImproperlyConfigured: it has an unknown setting, a value of the wrong kind, or mixes old and new names.
        ImportError: the import path leads nowhere.
    """
    if isinstance(source, str):
        source = import_object(source)
    strict = isinstance(source, Mapping)
    pairs = dict(source) if strict else _attributes(source, namespace or "")
    where = "" if strict else f" (in {_describe(source)})"
    if namespace:
        return _namespaced(pairs, namespace, where)
    known: dict[str, Any] = {}
    for name, value in pairs.items():
        if schema.canonical(name) is None:
            if strict or (schema.looks_like_setting(name) and not _is_code(value)):
                raise ImproperlyConfigured(schema.unknown(name, where))
            continue
        known[name] = value
    _refuse_mixture(known, where)
    return normalized(known)


def normalized(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Return today's names and converted values of ``pairs``, settings given under any name.

    Raises:
        ImproperlyConfigured: an unknown name, or a value of the wrong kind.
    """
    found: dict[str, Any] = {}
    for name, value in pairs.items():
        key = schema.canonical(name)
        if key is None:
            raise ImproperlyConfigured(schema.unknown(name))
        row = schema.SETTINGS.get(key)
        found[key] = row.convert(value) if row else value
    return found


def import_object(path: str) -> Any:
    """Import ``path``: ``package.module``, ``package.module:attribute`` or ``package.module.attribute``.

    Raises:
        ImportError: there is no such module or attribute.
    """
    module, colon, attribute = path.partition(":")
    if colon:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        parent, dot, last = path.rpartition(".")
        if not dot or not (error.name == path or (error.name and path.startswith(error.name + "."))):
            raise
        module_object = importlib.import_module(parent)
        if not hasattr(module_object, last):
            raise
        return getattr(module_object, last)


def from_arguments(words: Iterable[str]) -> dict[str, Any]:
    """Parse settings from ``words`` such as ``worker.prefetch_multiplier=4`` or ``task_serializer=json``; their names are not looked up.

    A dot or hyphen in a name is an underscore. A value may tell its kind, ``(int)10``; otherwise true, false, none and what Python would write
    are taken as such, and anything else is text.

    Raises:
        ImproperlyConfigured: a word is not of this form.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        name = key.strip().lstrip(".").replace(".", "_").replace("-", "_")
        if not equals or not name.isidentifier():
            raise ImproperlyConfigured(f"{word!r} is not a setting: expected SETTING=VALUE, e.g. worker_prefetch_multiplier=4")
        found[name] = _typed(name, text.strip())
    return found


def _typed(name: str, text: str) -> Any:
    kind, closing, rest = text[1:].partition(")")
    if text.startswith("(") and closing and kind in _KINDS:
        try:
            return _KINDS[kind](rest.strip())
        except (ValueError, KeyError) as error:
            raise ImproperlyConfigured(f"{name}: {rest!r} is not of kind {kind}") from error
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _items(text: str) -> Any:
    return json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(",") if part.strip()]


_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}
_BOOLEANS: Mapping[str, bool] = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_KINDS: Mapping[str, Callable[[str], Any]] = {
    "int": int, "float": float, "str": str, "string": str, "bool": lambda text: _BOOLEANS[text.lower()],
    "list": _items, "tuple": _items, "dict": json.loads, "json": json.loads,
}  # fmt: skip


def _attributes(source: Any, prefix: str) -> dict[str, Any]:
    """Read attributes that begin with a prefix; others are not touched: of Django's settings, one that is missing raises."""
    names = (name for name in dir(source) if not name.startswith("_") and name.upper().startswith(prefix.upper()))
    return {name: getattr(source, name) for name in names}


def _namespaced(pairs: Mapping[str, Any], namespace: str, where: str) -> dict[str, Any]:
    prefix = namespace.rstrip("_") + "_"
    found: dict[str, Any] = {}
    for name, value in pairs.items():
        if not name.upper().startswith(prefix.upper()) or name.islower() != prefix.islower():
            continue
        key = schema.canonical(name[len(prefix) :].lower()) or schema.canonical(name)
        if key is None:
            if _is_code(value) or name == "CELERY_DB_REUSE_MAX":
                continue
            meant = schema.suggest(name[len(prefix) :].lower())
            hint = f"; did you mean {prefix}{meant.upper() if prefix.isupper() else meant}?" if meant else ""
            raise ImproperlyConfigured(f"there is no setting {name}{where}{hint}")
        found[key] = value
    return normalized(found)


def _refuse_mixture(pairs: Mapping[str, Any], where: str) -> None:
    old = [name for name in pairs if name.isupper()]
    new = [name for name in pairs if name in schema.SETTINGS]
    if not old or not new:
        return
    if len(old) > len(new):
        preferred = {value: key for key, value in reversed([*schema.OLD_NAMES.items()])}
        renames = ", ".join(f"{name} → {preferred.get(name, name.upper())}" for name in new)
    else:
        renames = ", ".join(f"{name} → {schema.canonical(name)}" for name in old)
    raise ImproperlyConfigured(f"old and new names of settings are mixed{where}; rename {renames}")


def _is_code(value: Any) -> bool:
    return inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value)


def _describe(source: Any) -> str:
    return getattr(source, "__name__", None) or type(source).__name__


def module_named_by(variable: str, environ: Mapping[str, str], *, silent: bool = False) -> str:
    """Return the module with settings that an environment variable names.

    Args:
        variable: its name.
        environ: environment variables.
        silent: it may be missing; the module is empty then.

    Raises:
        ImproperlyConfigured: the variable is not set.
        ImproperlyConfigured: the variable is not set, and is not allowed to be missing.
    """
    module = environ.get(variable, "")
    if not module and not silent:
        raise ImproperlyConfigured(f"the environment variable {variable} is not set: it must name the module with the settings")
    return module
