"""Queues that a worker consumes from for a while, and not for a while."""
