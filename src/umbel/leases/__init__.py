"""Leases on names: what is held, by whom, until when. For unique tasks, limits across workers, and leaders."""
