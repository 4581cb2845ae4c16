"""Looks at a Celery project's source text, and says what will be as before, what differs and what must change. Nothing of it is imported."""
