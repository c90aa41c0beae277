"""The live demo in a real browser."""
