"""Broadcasts, subscribers and reply inboxes in a database: queues that go with their readers."""
