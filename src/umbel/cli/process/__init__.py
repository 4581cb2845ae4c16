"""The process of a command that runs for long: signals, a pidfile, a user of its own, a life in the background."""
