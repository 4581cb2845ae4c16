"""Celery's names that Umbel does not have yet, or has elsewhere. Using one raises an error that says so. Shrinks with each feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

_CANVAS: Final = "canvas (signatures, chains, groups, chords)"

#: Names in the package itself.
PACKAGE: Final[Mapping[str, str]] = {}
#: … of a task.
TASK: Final[dict[str, str]] = {}
#: … of an app.
APP: Final[dict[str, str]] = {}
#: Result stores, by the first word of their URLs.
STORES: Final = {
    "arangodb": "ArangoDB",
    "azureblockblob": "Azure Blob Storage",
    "cassandra": "Cassandra",
    "consul": "Consul",
    "cosmosdbsql": "Cosmos DB",
    "couchbase": "Couchbase",
    "couchdb": "CouchDB",
    "dynamodb": "DynamoDB",
    "elasticsearch": "Elasticsearch",
    "gs": "Google Cloud Storage",
    "s3": "S3",
}

#: Parts of Celery's app that are another thing here: what to use in their place.
APP_ELSEWHERE: Final = {
    "amqp": "app.queues and app.router",
    "loader": "app.import_modules()",
    "log": "the signals setup_logging and after_setup_logger",
    "select_queues": "the worker's option -Q",
    "steps": "the signals worker_init, worker_ready and worker_shutdown",
    "user_options": "a click command of your own around app.worker_main()",
    "WorkController": "app.Worker",
    **dict.fromkeys(
        (
            "default_producer", "pool", "producer_or_acquire", "producer_pool",
        ),
        "the app as it is: its connections are kept, shared and renewed for you",
    ),
}  # fmt: skip


def sentence(owner: str, name: str, names: Mapping[str, str]) -> str:
    """Return the sentence that says that there is no such thing yet.

    Args:
        owner: the thing that would have it, in words.
        name: what was asked for.
        names: one of the tables above, which has this name.
    """
    return f"{owner} has no {name} yet: {names[name]} will come with a later version"


def explain_missing(owner: str, names: Mapping[str, str], elsewhere: Mapping[str, str] | None = None) -> Callable[[object, str], Any]:
    """Make a ``__getattr__`` that raises an explanation for names that are not there yet; for other names, what the look-up raised.

    Args:
        owner: the thing that would have them, in words.
        names: one of the tables above.
        elsewhere: name → what to use in its place, for names that will not come.
    """
    instead = elsewhere or {}

    def look_up(thing: object, name: str) -> Any:
        if name in names:
            raise AttributeError(sentence(owner, name, names), name=name, obj=thing)
        if name in instead:
            raise AttributeError(f"{owner} has no {name}: use {instead[name]}", name=name, obj=thing)
        return object.__getattribute__(thing, name)

    return look_up
