"""Permission to look and to act; and the guard against browsers that are made to act for others."""
