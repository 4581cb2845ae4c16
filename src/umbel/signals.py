"""The signals under the name of Celery's module, so that a project moves by changing one word; see `umbel.hooks`."""

from umbel.hooks import *  # noqa: F403 - that is what this module is
