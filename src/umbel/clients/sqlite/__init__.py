"""Connections to SQLite files, and the doorbell that wakes who waits for one."""
