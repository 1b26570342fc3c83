"""Stores that change a row only if it is still the one that was read."""
