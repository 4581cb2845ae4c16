"""Commands for projects that come from Celery."""
