"""A shop: a Celery project as people write them. It knows nothing but Celery; Umbel runs it as it is."""

from .celery import app as celery_app

__all__ = ("celery_app",)
