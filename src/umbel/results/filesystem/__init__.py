"""Results in a folder, one file for each: ``file:///path``."""

from __future__ import annotations

from umbel.results.base import StoreOptions
from umbel.results.filesystem.values import FileValues, folder_of
from umbel.results.keyvalue.store import KeyValueStore


def connect(options: StoreOptions) -> KeyValueStore:
    """Make the store for a ``file://`` URL; the folder is looked at when the store is first used.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL names no folder.
    """
    return KeyValueStore(options, FileValues(folder_of(options.url)), needs_cleanup=True, keeps_revocations=True)


__all__ = ["connect"]
