"""Run one task, anywhere: in the caller, a child, a thread. Decides; performs no I/O of its own."""
