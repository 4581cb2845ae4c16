"""Entries: what is sent, when, and by which policies; read from code, kept in a store, merged."""
