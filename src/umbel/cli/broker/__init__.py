"""Commands that work on a broker without workers: its bindings, messages from one to another, single operations."""
