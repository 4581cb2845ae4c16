"""AMQP 0-9-1 without I/O: field tables, content headers, the fast paths of deliver, publish and ack, and the connection's state machine."""
