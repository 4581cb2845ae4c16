"""Parts that a project takes up by importing them, by Celery's names (``celery.contrib``)."""
