"""The parts of the broker contract that follow from others. A broker that rests on all four writes sixteen methods.

`PublisherDefaults` suits every broker; `ConsumerDefaults` one that is asked for messages and hands them over by name, such as a table in a database.
"""
