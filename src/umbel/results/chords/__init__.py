"""Chords in result stores: counting the members of a header, and claiming the body for the one who publishes it."""
