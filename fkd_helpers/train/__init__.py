"""Batches, the training loop, runs, grids and their tables."""
