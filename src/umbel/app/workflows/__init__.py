"""Workflows of an app: sending them, running them in their caller, and the built-in tasks that they use."""
