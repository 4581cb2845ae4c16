"""Celery's ``celery.contrib.testing`` and ``celery.contrib.pytest``, on `umbel.testing`."""
