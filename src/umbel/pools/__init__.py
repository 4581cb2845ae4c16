"""Where tasks run: children, slots, frames."""
