"""Settings: one typed table, and how they are found."""
