"""Conclusions: from what a task returned or raised to what is done about it."""
