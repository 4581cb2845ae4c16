"""``umbel beat`` and ``umbel schedule``: periodic tasks on the command line."""
