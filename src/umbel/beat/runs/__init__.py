"""Runs: sent, tried again, reported on by schedulers and workers, remembered for a while."""
