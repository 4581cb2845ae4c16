"""Result stores by URL, for tests and the other processes of tests."""

from __future__ import annotations

import importlib

from umbel.results.base import ResultStore, StoreOptions

FACTORIES = {
    "memory": "umbel.results.memory",
    "sqlite": "umbel.results.sqlite",
    "redis": "umbel.results.redis",
    "rpc": "umbel.results.rpc",
}


def store_of(url: str, options: dict) -> ResultStore:
    """A store; ``options`` are fields of `StoreOptions`."""
    return importlib.import_module(FACTORIES[url.partition(":")[0]]).connect(StoreOptions(url=url, **options))
