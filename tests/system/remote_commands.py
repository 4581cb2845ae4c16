"""Commands of remote control of an app's own, for workers that include this module."""

from umbel.control import control_command, inspect_command


@control_command(args=[("n", int)], signature="[N=1]")
def double(state, n=1):
    """Double a number."""
    return {"ok": 2 * n, "node": state.hostname}


@inspect_command(variadic="words")
async def prefetched(state, words=()):
    """Show how many messages are fetched ahead."""
    return {"prefetched": state.prefetch.allowed, "words": list(words)}
