"""Kombu's names, for where kombu is not installed."""
