"""A task: its options, how it is sent and retried, and how it is made of a function."""
