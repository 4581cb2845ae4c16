"""Result stores over values by key: what stores that only read, compare and replace values have in common."""
