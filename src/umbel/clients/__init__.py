"""Connections to servers, blocking and on the event loop, for brokers, result stores and whoever needs one. They know no task."""
