"""``umbel multi``: several workers on one machine, by one command line."""
