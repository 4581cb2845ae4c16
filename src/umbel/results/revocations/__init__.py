"""Lists of revoked tasks, one module for each kind of result store."""
