"""Figures with alt text; every function returns a `Figure`."""
