"""Commands for people who write or examine an app: a shell, graphs, figures from logs."""
