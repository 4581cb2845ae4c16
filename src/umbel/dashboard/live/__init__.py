"""The knowledge of the fleet as it is now: one subscription to events, and questions whose answers are shared."""
