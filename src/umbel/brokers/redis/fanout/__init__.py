"""Broadcasts, subscribers and reply inboxes on Redis, beside kombu's."""
