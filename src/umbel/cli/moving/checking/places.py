"""URLs of brokers and result stores."""

from __future__ import annotations

from typing import Final

from umbel.brokers.registry import BUILT_IN
from umbel.brokers.registry import GROUP as BROKERS
from umbel.cli.moving.checking.findings import Finding, Verdict
from umbel.clients import urls
from umbel.errors import ImproperlyConfigured
from umbel.results import registry as stores
from umbel.runtime import plugins

_BROKERS: Final = frozenset({"broker_url", "broker_read_url", "broker_write_url"})
#: Names of brokers that Celery takes without ``://``.
_SHORT: Final = frozenset({"amqp", "pyamqp", "redis", "memory"})


def check_place(path: str, line: int, setting: str, value: object) -> Finding | None:
    """Look at the URL that a setting gives.

    Args:
        path: of the module.
        line: in it.
        setting: its name today.
        value: as it is written.

    Returns:
        ``None`` where the setting is about no place.
    """
    if setting in _BROKERS and value:
        found = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else []
        return _broker(path, line, setting, [url for text in found if isinstance(text, str) for url in text.split(";")])
    if setting == "result_backend" and isinstance(value, str):
        try:
            stores.check(stores.canonical(value))
        except ImproperlyConfigured as error:
            return Finding(path, line, Verdict.MUST_CHANGE, urls.masked(value), str(error))
        if "://" not in value and stores.canonical(value) == value.strip() and value not in ("database", "db", "cache"):
            return Finding(
                path,
                line,
                Verdict.MUST_CHANGE,
                value,
                "Stores of Celery's interface are not loaded: docs/guide/result-stores.md lists others",
            )
        return Finding(path, line, Verdict.WORKS, urls.masked(value))
    return None


def _broker(path: str, line: int, setting: str, given: list[str]) -> Finding:
    for url in given:
        scheme = url.partition("://")[0].strip()
        try:
            if "://" in url or scheme not in _SHORT:
                plugins.target(scheme, BUILT_IN, group=BROKERS, what="broker")
        except ImproperlyConfigured as error:
            return Finding(path, line, Verdict.MUST_CHANGE, f"{setting} {scheme}://", str(error))
    return Finding(path, line, Verdict.WORKS, ", ".join(map(urls.masked, given)) or setting)
