"""Redis keys, scripts and Celery's envelope, without I/O."""
