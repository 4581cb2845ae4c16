"""Schedulers: what keeps the entries and sends them. Celery's, which keep them in memory or as a subclass has it, and ours, which share a store."""
