"""Leases of a worker's tasks: asked for and renewed off the event loop, and held while a task runs."""
