"""The umbel command."""
