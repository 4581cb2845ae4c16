"""Stores of schedules: entries, the lease, claims of slots, and the history of runs."""
