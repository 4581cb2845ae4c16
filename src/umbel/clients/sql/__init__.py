"""Connections to SQL databases, by SQLAlchemy."""
