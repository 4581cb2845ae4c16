"""The task's own code: run in a thread, its coroutines on a loop."""
