"""``umbel doctor``: look everything over that a fleet depends on, and say what to do."""
