"""Exceptions as they are stored and sent: ``{"exc_type": …, "exc_message": [args], "exc_module": …}`` (Celery 5.7).

A Celery client looks a name up in its own modules, so our exceptions go out under the names of Celery, Kombu and Billiard where those have
the same one, and theirs come in as ours. Others go by their own names. ``exc_type`` is the qualified name: ``Outer.Inner`` for a nested class.

What comes in is untrusted. A name is looked up only in modules that are imported already, without running a module's ``__getattr__``, and
only a subclass of `Exception` is ever called (compare CVE-2021-23727, where any callable was). Everything else becomes an exception class of
that name, made for the occasion. Nothing here raises.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any, Final

from umbel import errors
from umbel.wire import kombu_json

_BILLIARD: Final = ("SoftTimeLimitExceeded", "Terminated", "TimeLimitExceeded", "WorkerLostError")
_KOMBU: Final = ("ContentDisallowed", "DecodeError", "EncodeError", "OperationalError")
_CELERY: Final = (
    "AlreadyRegistered",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "CeleryError",
    "ChordError",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "MaxRetriesExceededError",
    "NotRegistered",
    "QueueNotFound",
    "Reject",
    "Retry",
    "SecurityError",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "TimeoutError",
)
#: (module, name) as a Celery peer writes it → ours.
_OURS: Final[dict[tuple[str, str], type[Exception]]] = {
    **{("celery.exceptions", name): getattr(errors, name) for name in (*_CELERY, *_BILLIARD, "OperationalError")},
    **{("billiard.exceptions", name): getattr(errors, name) for name in _BILLIARD},
    **{("kombu.exceptions", name): getattr(errors, name) for name in _KOMBU},
}
#: Ours → (module, name); the later entries of `_OURS` are where Celery's classes really live.
_THEIRS: Final[dict[type[BaseException], tuple[str, str]]] = {ours: names for names, ours in _OURS.items()}

#: Characters of a class name, and of an argument's `repr`, that are kept.
_MAX_NAME: Final = 200
_MAX_REPR: Final = 4096


def render(exc: BaseException, can_encode: Callable[[Any], object] = kombu_json.dumps) -> dict[str, Any]:
    """The stored form of an exception.

    Args:
        exc: any; its methods may misbehave.
        can_encode: raises for an argument that the result serializer cannot write; such an argument goes as its `repr`.
    """
    kind = type(exc)
    module, name = _THEIRS.get(kind, (kind.__module__, kind.__qualname__))
    return {"exc_type": name, "exc_message": [_encodable(argument, can_encode) for argument in _args(exc)], "exc_module": module}


def rebuild(stored: Any) -> Exception:
    """The exception of a stored form.

    Args:
        stored: what `render` or a Celery worker made, an exception (pickled results hold them), or anything else.

    Returns:
        An instance of the class of that name where there is one, otherwise of a class made with that name; for what is no stored form,
        a plain `Exception`.
    """
    if isinstance(stored, Exception):
        return stored
    if not isinstance(stored, dict) or type(stored.get("exc_type")) is not str:
        return Exception(describe(stored))
    name, module, message = stored["exc_type"][:_MAX_NAME], stored.get("exc_module"), stored.get("exc_message")
    args = tuple(message) if isinstance(message, (list, tuple)) else () if message is None else (message,)
    found = _find(module if type(module) is str else "builtins", name)
    if found is not None:
        rebuilt = _call(found, args)
        if rebuilt is not None:
            return rebuilt
    return _made(name, module)(*args)


def describe(value: object) -> str:
    """Return the `repr` of any ``value``, bounded, also where its methods raise."""
    try:
        return repr(value)[:_MAX_REPR]
    except Exception as exc:
        return f"<unrepresentable {type(value).__name__}: {type(exc).__name__}>"


def _args(exc: BaseException) -> tuple[Any, ...]:
    try:
        return tuple(exc.args)
    except Exception:
        return (describe(exc),)


def _encodable(argument: Any, can_encode: Callable[[Any], object]) -> Any:
    try:
        can_encode(argument)
    except Exception:
        return describe(argument)
    return argument


def _find(module: str, name: str) -> type[Exception] | None:
    """The exception class of a name, without importing and without running code of a module."""
    ours = _OURS.get((module, name))
    if ours is not None:
        return ours
    found: Any = builtins if module == "builtins" else sys.modules.get(module)
    for part in name.split("."):
        try:
            found = vars(found).get(part)
        except TypeError:
            return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _made(name: str, module: Any) -> type[Exception]:
    """A class that has only its name in common with the one that is not here."""
    short = name.rpartition(".")[2]
    home = module[:_MAX_NAME] if type(module) is str and module.isprintable() else __name__
    return type(short if short and short.isprintable() else "Exception", (Exception,), {"__module__": home})


def _call(kind: type[Exception], args: tuple[Any, ...]) -> Exception | None:
    """An instance with these args; of a class whose signature does not take them, a `_stand_in`."""
    try:
        rebuilt = kind(*args)
        if isinstance(rebuilt, kind):
            return rebuilt
    except Exception:  # noqa: S110 - the next way is tried
        pass
    try:
        return _stand_in(kind, args)
    except Exception:
        return None


def _stand_in(kind: type[Exception], args: tuple[Any, ...]) -> Exception:
    """An instance of a subclass whose constructor has not run. ``except`` finds it; its text needs no attribute that the constructor would have set."""
    name = kind.__name__
    members = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__str__": lambda self: f"{name}({', '.join(map(describe, self.args))})",
        "__repr__": str,
        "__reduce__": lambda self: (_stand_in, (kind, self.args)),
    }
    made: Any = type(name, (kind,), members)
    rebuilt: Exception = made.__new__(made)
    rebuilt.args = args
    return rebuilt
