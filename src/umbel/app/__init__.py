"""The composition root: Umbel, Task, configuration, routing, publishing."""
