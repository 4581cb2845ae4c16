"""Celery's names: a project written for Celery imports and runs, and what it gets is Umbel.

There are three ways in. ``from umbel import Celery`` changes one import. ``import umbel.compat.celery`` as a program's first line, ``umbel --as-celery``
or ``UMBEL_AS_CELERY=1`` in the environment make ``import celery`` find what is here, the installed Celery notwithstanding. The distribution
``umbel-as-celery`` (``packages/`` in the repository) brings a package ``celery`` and a command ``celery``.

Legacy spellings live here only. Nothing below knows this package, apart from its name where it is asked for (`umbel.Celery`, ``--as-celery``).
"""
