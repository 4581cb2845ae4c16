"""Messages of RabbitMQ that go to another queue: copies that are published anew, and copies that stand for what runs."""
