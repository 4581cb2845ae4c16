"""The table of settings, by namespace."""
