"""Parts of ``celery.contrib``."""
