"""Which of FaceMesh's 468 points lie where the 68 of the iBUG order do: the usual choice, by region."""

import numpy as np

JAW = (127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356)
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
MOUTH = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87)
FACEMESH_68 = JAW + BROWS + NOSE + EYES + MOUTH


def to_68(points: np.ndarray) -> np.ndarray:
    """Return 68 points (n, 68, 2) of a mesh's (n, 468, 2), or as they are; of (n, 1, 2), no face at all, only NaN."""
    if points.shape[1] == 1:
        return np.full((len(points), 68, 2), np.nan)
    return points[:, list(FACEMESH_68)] if points.shape[1] == 468 else points
