"""Face filters."""
