"""``rpc://``: results travel as messages to the client that sent the task."""

from umbel.results.rpc.store import connect

__all__ = ["connect"]
