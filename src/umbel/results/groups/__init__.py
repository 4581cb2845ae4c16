"""Groups in result stores: their trees of results, counting the members of chords, and the claim on a chord's body."""
