"""Result stores by URL, for tests and the other processes of tests."""

from __future__ import annotations

from umbel.results.base import ResultStore, StoreOptions
from umbel.results.registry import connect


def store_of(url: str, options: dict) -> ResultStore:
    """A store; ``options`` are fields of `StoreOptions`."""
    store = connect(StoreOptions(url=url, **options))
    assert store is not None
    return store
