"""Pools: children, their slots, and what passes between them and the worker."""
