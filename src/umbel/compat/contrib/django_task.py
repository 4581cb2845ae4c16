"""`DjangoTask` at the place of Celery's ``celery.contrib.django.task``."""

from umbel.contrib.django.task import DjangoTask

__all__ = ["DjangoTask"]
