"""Events: what happens to tasks and workers, told to whoever watches. Names are Celery's; see `umbel.events.model` for the table of all types."""
