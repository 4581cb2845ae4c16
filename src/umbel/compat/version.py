"""The version of Celery whose interface this is."""

from __future__ import annotations

from typing import Final, NamedTuple


class Version(NamedTuple):
    """A version in parts."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: str


CELERY: Final = "5.7.0"
CELERY_INFO: Final = Version(5, 7, 0, "", "")
#: The kombu that goes with it.
KOMBU: Final = "5.6.0"
KOMBU_INFO: Final = (5, 6, 0)
