"""Plumbing that knows no task: clocks, backoff, services, operating-system signals."""
