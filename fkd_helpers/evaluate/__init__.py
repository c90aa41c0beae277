"""Scores of the whole way from photo to keypoints."""
