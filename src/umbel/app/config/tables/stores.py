"""Settings of Celery's other result stores. Those that Umbel does not have are read and kept, so that a configuration that has them loads."""

from __future__ import annotations

from umbel.app.config.kinds import ANY, FLAG, INTEGER, MAPPING, SECONDS, TEXT, TEXT_OR_NUMBER, Kind
from umbel.app.config.setting import Setting


def _rows(prefix: str, store: str, old: str, *rows: tuple[str, object, Kind, str], used: bool = False) -> tuple[Setting, ...]:
    secret = ("secret", "access_key", "auth")
    return tuple(
        Setting(
            f"{prefix}_{name}",
            default,
            kind,
            f"{store}: {meaning}.",
            (f"{old}{prefix}_{name}".upper(),),
            secret=any(word in name for word in secret),
            used=used,
        )
        for name, default, kind, meaning in rows
    )


OTHER_STORES = (
    *_rows("mongodb", "MongoDB", "CELERY_", ("backend_settings", None, MAPPING, "connection and names of its collections"), used=True),
    *_rows("couchbase", "Couchbase", "CELERY_", ("backend_settings", None, MAPPING, "connection and bucket")),
    *_rows("arangodb", "ArangoDB", "CELERY_", ("backend_settings", None, MAPPING, "connection, database and collection")),
    *_rows(
        "cache",
        "memcached",
        "CELERY_",
        ("backend", None, TEXT, "URL, where result_backend is cache"),
        ("backend_options", {}, MAPPING, "keywords of its client"),
        used=True,
    ),
    *_rows(
        "elasticsearch",
        "Elasticsearch",
        "CELERY_",
        ("retry_on_timeout", None, FLAG, "try again after a timeout"),
        ("max_retries", None, INTEGER, "attempts"),
        ("timeout", None, SECONDS, "longest operation"),
        ("save_meta_as_text", True, FLAG, "store JSON text, not an object"),
    ),
    *_rows(
        "cassandra",
        "Cassandra",
        "",
        ("entry_ttl", None, SECONDS, "life of a row"),
        ("keyspace", None, TEXT, "keyspace"),
        ("port", None, TEXT_OR_NUMBER, "port"),
        ("read_consistency", None, TEXT, "consistency of reads"),
        ("servers", None, ANY, "hosts"),
        ("bundle_path", None, TEXT, "Astra bundle"),
        ("secure_bundle_path", None, TEXT, "Astra bundle, by its documented name"),
        ("table", None, TEXT, "table"),
        ("write_consistency", None, TEXT, "consistency of writes"),
        ("auth_provider", None, TEXT, "class that authenticates"),
        ("auth_kwargs", None, ANY, "its keywords"),
        ("options", {}, MAPPING, "more keywords of the cluster"),
    ),
    *_rows(
        "cosmosdbsql",
        "Cosmos DB",
        "",
        ("database_name", "celerydb", TEXT, "database"),
        ("collection_name", "celerycol", TEXT, "collection"),
        ("consistency_level", "Session", TEXT, "consistency"),
        ("max_retry_attempts", 9, INTEGER, "attempts"),
        ("max_retry_wait_time", 30, SECONDS, "longest wait between attempts"),
    ),
    *_rows(
        "s3",
        "S3",
        "",
        ("access_key_id", None, TEXT, "key"),
        ("secret_access_key", None, TEXT, "secret"),
        ("bucket", None, TEXT, "bucket"),
        ("base_path", None, TEXT, "prefix of names"),
        ("endpoint_url", None, TEXT, "another address than Amazon's"),
        ("region", None, TEXT, "region"),
    ),
    *_rows(
        "azureblockblob",
        "Azure Blob",
        "",
        ("container_name", "celery", TEXT, "container"),
        ("retry_initial_backoff_sec", 2, INTEGER, "first wait between attempts"),
        ("retry_increment_base", 2, INTEGER, "growth of that wait"),
        ("retry_max_attempts", 3, INTEGER, "attempts"),
        ("base_path", "", TEXT, "prefix of names"),
        ("connection_timeout", 20, SECONDS, "longest connecting"),
        ("read_timeout", 120, SECONDS, "longest read"),
    ),
    *_rows(
        "gcs",
        "Google Cloud Storage",
        "",
        ("bucket", None, TEXT, "bucket"),
        ("project", None, TEXT, "project"),
        ("base_path", "", TEXT, "prefix of names"),
        ("ttl", 0, SECONDS, "life of an object"),
        ("threadpool_maxsize", None, INTEGER, "threads"),
    ),
    Setting("firestore_project", None, TEXT, "Firestore: project of the counters of chords."),
    Setting("dynamodb_endpoint_url", None, TEXT, "DynamoDB: another address than Amazon's."),
)
