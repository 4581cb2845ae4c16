"""Commands that speak to workers: ``inspect``, ``control``, ``status``."""
