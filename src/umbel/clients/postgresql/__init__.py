"""Connections to PostgreSQL by libpq (psycopg), blocking and on the event loop, and the tables and functions that Umbel has there."""
