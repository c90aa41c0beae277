"""From a photo or a frame to faces with keypoints."""
