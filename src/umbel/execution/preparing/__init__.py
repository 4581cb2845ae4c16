"""From a job to a call that can be run."""
