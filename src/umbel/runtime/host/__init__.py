"""The machine that this process runs on, and its service manager."""
