"""``umbel events``: look at what happens in a cluster, as it happens."""
