"""Consume: broker → admission → children → settlement."""
