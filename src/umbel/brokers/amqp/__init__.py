"""RabbitMQ and other AMQP 0-9-1 brokers: ``amqp://``, ``amqps://``."""

from umbel.brokers.amqp.broker import AmqpBroker, connect

__all__ = ["AmqpBroker", "connect"]
