"""What a task message is: its model, its two protocols, its times. Pure: no socket, loop, clock or log."""
