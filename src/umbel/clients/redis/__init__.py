"""Connections to Redis and Valkey."""
