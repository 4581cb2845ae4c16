"""One row of the table of settings."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from umbel.app.config.kinds import Kind
from umbel.errors import ImproperlyConfigured


class Status(enum.Enum):
    """The use that Umbel makes of a setting."""

    USED = "used"
    #: Read and kept, so that a Celery project's configuration loads; changes nothing (yet).
    ACCEPTED = "accepted for compatibility"


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "unset"


#: "Celery has the same default" and "not given".
UNSET: Final = _Unset()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Args:
        name: lower case, as in Celery 4 and later.
        default: Umbel's default.
        kind: what values it takes; ``None`` is always allowed where it is the default, or when ``optional``.
        meaning: one line.
        old: the names that Celery 3 had for it.
        used: whether Umbel acts on it.
        celery: Celery's default where it differs, or `UNSET`.
        own: Celery has no such setting.
        secret: masked wherever settings are shown.
    """

    name: str
    default: Any
    kind: Kind
    meaning: str
    old: tuple[str, ...] = ()
    used: bool = False
    celery: Any = UNSET
    own: bool = False
    optional: bool = False
    secret: bool = False

    @property
    def status(self) -> Status:
        """The use that Umbel makes of this setting."""
        return Status.USED if self.used else Status.ACCEPTED

    def convert(self, value: Any) -> Any:
        """Return ``value`` as it is to be kept.

        Raises:
            ImproperlyConfigured: it is of another kind.
        """
        if value is None and (self.optional or self.default is None):
            return None
        try:
            return self.kind.convert(value)
        except (ValueError, TypeError, OverflowError):
            shown = "the given value" if self.secret else repr(value)[:80]
            raise ImproperlyConfigured(f"setting {self.name}: expected {self.kind.name}, got {shown} ({type(value).__name__})") from None
