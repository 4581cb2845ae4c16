"""Bytes ⇄ plain values. No socket, loop, clock, thread or log."""
