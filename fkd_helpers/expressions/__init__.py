"""Expressions, valence and arousal from pixels."""
