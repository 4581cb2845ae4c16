"""Task messages: their model, their two protocols, their times. Pure: no socket, loop, clock or log."""
