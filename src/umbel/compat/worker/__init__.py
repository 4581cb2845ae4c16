"""Parts of ``celery.worker``."""
