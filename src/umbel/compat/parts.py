"""Single names of Celery's that need a line or two."""

from __future__ import annotations

from typing import Any, NoReturn

from umbel import errors
from umbel.app.config.schema import SETTINGS
from umbel.app.discovery import find_app as _find_app
from umbel.canvas.signatures import maybe_signature
from umbel.compat.process_state import app_or_default
from umbel.compat.subsystems.backend import Backend
from umbel.compat.subsystems.loader import Loader
from umbel.errors import CeleryError, OperationalError
from umbel.pools import kinds

__all__ = ["OperationalError", "ResultBase", "app_or_default", "maybe_signature"]

#: The base of results.
ResultBase = object
#: Setting → default.
DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}
BACKEND_ALIASES: dict[str, str] = {}


class CeleryCommandException(CeleryError):
    """A command has failed.

    Args:
        message: says why.
        exit_code: of the process.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def reraise(tp: Any, value: BaseException, tb: Any = None) -> NoReturn:  # noqa: ARG001
    """Raise an exception with a traceback.

    Args:
        tp: its class.
        value: the exception.
        tb: the traceback.
    """
    raise value.with_traceback(tb) if value.__traceback__ is not tb else value


def Context(*args: Any, **kwargs: Any) -> Any:  # noqa: N802 - Celery's name
    """Make a request, such as a running task has.

    Args:
        args: mappings of its attributes.
        kwargs: its attributes.
    """
    from umbel.execution.request import Request

    request = Request.outside(None)
    request.update(*args, **kwargs)
    return request


def bugreport(app: Any = None) -> str:
    """Return versions, platform and settings as text.

    Args:
        app: the app; the current one when not given.
    """
    report: str = app_or_default(app).bugreport()
    return report


def find_app(app: str, *_: Any, **__: Any) -> Any:
    """Find an app, as after ``-A``.

    Args:
        app: where it is.
    """
    return _find_app(app).app


def enable_trace() -> None:
    """Celery's; there is nothing to trace."""


disable_trace = enable_trace


def by_url(backend: Any = None, loader: Any = None) -> tuple[Any, Any]:  # noqa: ARG001
    """Return Celery's pair of a class and a URL.

    Args:
        backend: the URL.
        loader: Celery's; without effect.
    """
    return Backend, backend


def by_name(backend: Any = None, *_: Any, **__: Any) -> Any:  # noqa: ARG001
    """Return the class of result stores; there is one.

    Args:
        backend: a name.
    """
    return Backend


def get_loader_cls(loader: Any) -> Any:
    """Return the class of loaders.

    Args:
        loader: a class, or the name of one of Celery's.
    """
    return Loader if isinstance(loader, str) else loader


def get_available_pool_names() -> tuple[str, ...]:
    """List the pools."""
    return tuple(kinds.NAMES)


def get_implementation(cls: Any) -> Any:
    """Return the kind of a pool.

    Args:
        cls: its name.

    Raises:
        errors.ImproperlyConfigured: there is none.
    """
    found = kinds.find_kind(cls)
    if found is None:
        raise errors.ImproperlyConfigured(f"there is no pool {cls!r}; there are {', '.join(kinds.NAMES)}")
    return found
