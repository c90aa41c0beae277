"""Kaggle's 15 keypoints with missing labels."""
