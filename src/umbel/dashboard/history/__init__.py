"""The past of tasks, in an SQLite file: runs that can be searched, and figures over time."""
