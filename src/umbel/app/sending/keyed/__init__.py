"""Calls with keys: what these are made of, and what becomes of a call whose key is held."""
