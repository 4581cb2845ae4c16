"""Results in MongoDB, in Celery's collections: ``mongodb://host:port/database``."""

from umbel.results.mongodb.store import MongoStore, connect

__all__ = ["MongoStore", "connect"]
