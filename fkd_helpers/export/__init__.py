"""Other formats of a network, and what they cost."""
