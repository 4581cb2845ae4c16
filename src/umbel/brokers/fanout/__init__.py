"""Broadcasts, subscribers and reply inboxes: the contract, and all that is the same on every broker."""
