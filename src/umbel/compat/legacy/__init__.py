"""Small things of Celery's ``celery.utils`` and ``celery.local`` that projects import. What they do is Celery's (5.7)."""
