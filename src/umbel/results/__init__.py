"""Keep outcomes: one contract (`base`), one store per kind, chosen by URL (`registry`), and the handles that users hold."""
