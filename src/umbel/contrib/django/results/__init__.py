"""Results in the project's database."""
