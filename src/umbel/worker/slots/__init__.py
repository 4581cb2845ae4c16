"""The slots that run tasks: who runs what, limits, prefetch, and children that come and go."""
