"""Events on the wire: what a worker tells whoever watches, of itself and of its tasks, and what it hears of other workers."""
