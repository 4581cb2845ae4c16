"""The command line: one file per command under `commands`, loaded when the command is used."""
