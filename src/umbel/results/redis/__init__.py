"""Results in Redis, Valkey or what speaks their protocol: one key for each task, and a channel that announces it."""

from umbel.results.redis.store import RedisStore, connect

__all__ = ["RedisStore", "connect"]
