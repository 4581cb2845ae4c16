"""A broker inside one process: ``memory://``."""

from umbel.brokers.memory.broker import connect

__all__ = ["connect"]
