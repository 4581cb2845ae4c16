"""Redis and Valkey as a broker: kombu's lists and envelopes, our leases. Needs Redis 6.2; no client library."""

from umbel.brokers.redis.broker import RedisBroker, connect

__all__ = ["RedisBroker", "connect"]
