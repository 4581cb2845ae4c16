"""Broadcasts, subscribers and reply inboxes in a SQLite file: queues that go with their readers."""
