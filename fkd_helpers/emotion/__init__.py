"""Emotion rules on keypoints."""
