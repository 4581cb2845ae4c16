"""The import hook: modules under Celery's names, whose contents are looked up in `umbel.compat.names`."""
