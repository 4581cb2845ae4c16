"""URL schemes and the factories that serve them: built-in ones, and those that other packages offer as entry points.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from umbel.errors import ImproperlyConfigured

#: The extra to install, by the name of the missing library.
EXTRAS: Final[Mapping[str, str]] = {
    "sqlalchemy": "sql",
    "psycopg": "postgresql",
    "msgpack": "msgpack",
    "yaml": "yaml",
    "prometheus_client": "metrics",
    "django": "django",
    "cryptography": "auth",
}


def target(scheme: str, built_in: Mapping[str, str], *, group: str, what: str) -> str:
    """Find the factory of a scheme, as ``module:name``.

    Args:
        scheme: of a URL.
        built_in: scheme → factory; listed in the source too, so that a tree works without being installed.
        group: of entry points.
        what: the thing that is made, for the error's text.

    Raises:
        ImproperlyConfigured: no package offers this scheme.
    """
    if scheme in built_in:
        return built_in[scheme]
    from importlib.metadata import entry_points  # slow to import, and needed for other people's schemes only

    offered = {point.name: point.value for point in entry_points(group=group)}
    if scheme in offered:
        return offered[scheme]
    known = sorted({*built_in, *offered})
    close = difflib.get_close_matches(scheme, known, n=1)
    hint = f"did you mean {close[0]}://?" if close else f"known are {', '.join(known)}"
    raise ImproperlyConfigured(f"no {what} for {scheme}:// URLs; {hint}")


def load(where: str, wanted_by: str) -> Any:
    """Import a factory.

    Args:
        where: ``module:name``.
        wanted_by: what needs it, for the error's text.

    Raises:
        ImproperlyConfigured: its library is not installed (names what to install).
    """
    module, _, name = where.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "umbel":
            raise
        extra = EXTRAS.get(missing)
        install = f'"umbel[{extra}]"' if extra else missing
        raise ImproperlyConfigured(f"{wanted_by} needs the library {missing!r}, which is not installed: pip install {install}") from error
