"""An app's keys: from settings and files to what signs, and what publishes signed messages."""
