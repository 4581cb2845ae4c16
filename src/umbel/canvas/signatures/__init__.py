"""The classes that users hold: signatures, and the chains, groups and chords made of them."""
