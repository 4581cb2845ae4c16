"""``umbel queues``: figures, pausing, looking and moving."""
