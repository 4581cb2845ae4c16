"""Children that run several jobs at once: their common part, and an executor for each way to run jobs."""
