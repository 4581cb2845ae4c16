"""Broadcasts, subscribers and reply inboxes in PostgreSQL: queues that go with their readers."""
