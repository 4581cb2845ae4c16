"""The worker's guard: only messages that somebody with a key has signed come in, and each of them once."""
