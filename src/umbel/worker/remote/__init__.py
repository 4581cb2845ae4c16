"""Remote control of a worker: a service that listens to its mailbox, a façade of the worker, and the commands, one file for each theme."""
