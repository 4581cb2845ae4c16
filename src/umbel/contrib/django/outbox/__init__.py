"""The outbox in the project's databases."""
