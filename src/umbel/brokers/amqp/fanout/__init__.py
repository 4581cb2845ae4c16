"""Broadcasts, subscribers and reply inboxes on RabbitMQ."""
