"""Box geometry and the one crop rule that training and prediction share.

A box is (x, y, w, h) in pixels of its frame. Pixel (0, 0) has its centre at the coordinate (0, 0), as in OpenCV, so a
frame reaches from -0.5 to width - 0.5. A square is a box with w == h: the part of the frame that the network sees.
"""

import cv2
import numpy as np

MARGIN = 0.2  # of the face's longer side, added on each of the four sides
CROP_SIZE = 112  # pixels, the input of our own network
MAX_WARPED = 32_000  # pixels: OpenCV warps with 16-bit coordinates
NESTED = 0.7  # share of a box that lies in another one of the same face


def turned(points: np.ndarray, rolls: np.ndarray) -> np.ndarray:
    """Return points (..., k, 2) turned clockwise about (0, 0) by angles (...) in radians."""
    cosine, sine = np.cos(rolls), np.sin(rolls)
    return points @ np.stack([np.stack([cosine, sine], -1), np.stack([-sine, cosine], -1)], -2)


def box_of(keypoints: np.ndarray, rolls: np.ndarray | None = None) -> np.ndarray:
    """Return the tight box (..., 4) of points (..., k, 2); missing points (NaN) are left out.

    With rolls (...) in radians it is the box of the face turned upright about the box's own centre.

    >>> box_of(np.array([[2.0, 3.0], [np.nan, np.nan], [6.0, 4.0]])).tolist()
    [2.0, 3.0, 4.0, 1.0]
    """
    keypoints = np.asarray(keypoints, np.float32)
    keypoints = keypoints if rolls is None else turned(keypoints, -np.asarray(rolls))
    low, high = np.fmin.reduce(keypoints, -2), np.fmax.reduce(keypoints, -2)
    box = np.concatenate([low, high - low], -1)
    box = np.where(np.isfinite(box).all(-1, keepdims=True), box, np.nan)
    if rolls is not None:
        box[..., :2] = turned((box[..., :2] + box[..., 2:] / 2)[..., None, :], rolls)[..., 0, :] - box[..., 2:] / 2
    return box


def square_of(boxes: np.ndarray, *, margin: float = MARGIN) -> np.ndarray:
    """Return squares (..., 4) cut for boxes (..., 4): same centre, longer side plus a `margin` of it on each side."""
    boxes = np.asarray(boxes, np.float64)
    side = boxes[..., 2:].max(-1, keepdims=True) * (1 + 2 * margin)
    corner = boxes[..., :2] + boxes[..., 2:] / 2 - side / 2
    return np.concatenate([corner, side, side], -1)


def to_crop(keypoints: np.ndarray, squares: np.ndarray, size: int, rolls: np.ndarray | None = None) -> np.ndarray:
    """Move keypoints (..., k, 2) from a frame to a crop of `size` by squares (..., 4) turned by `rolls` in radians."""
    squares = np.asarray(squares, np.float64)
    points = (keypoints - squares[..., None, :2] + 0.5) * (size / squares[..., None, 2:3]) - 0.5
    return _about_middle(points, size, None if rolls is None else -np.asarray(rolls)).astype(np.float32)


def to_frame(keypoints: np.ndarray, squares: np.ndarray, size: int, rolls: np.ndarray | None = None) -> np.ndarray:
    """Move keypoints (..., k, 2) from a crop back to its frame; undoes `to_crop`."""
    squares = np.asarray(squares, np.float64)
    points = _about_middle(keypoints, size, rolls)
    return ((points + 0.5) * (squares[..., None, 2:3] / size) + squares[..., None, :2] - 0.5).astype(np.float32)


def _about_middle(points, size, rolls):
    middle = size / 2 - 0.5
    return points if rolls is None else turned(points - middle, rolls) + middle


def crop(frame: np.ndarray, square: np.ndarray, size: int = CROP_SIZE, roll: float = 0.0) -> np.ndarray:
    """Cut the square (4,), turned clockwise by `roll` radians, out of a uint8 frame and resize it to (size, size[, 3]).

    Outside the frame its edge is repeated. A large face is averaged down first against aliasing.
    """
    x, y, side = np.asarray(square, np.float64)[:3].tolist()
    if not np.isfinite([x, y, side]).all() or side <= 0:
        raise ValueError(f"square: expected a finite position and a positive side, got {np.asarray(square).tolist()}")
    shrink = int(side / size)
    if shrink >= 2 or max(frame.shape[:2]) > MAX_WARPED:
        frame, x, y, side = _averaged(frame, x, y, side, max(shrink, 1), room=0.21 * side if roll else 0)
    scale = size / side
    matrix = np.array([[scale, 0, (0.5 - x) * scale - 0.5], [0, scale, (0.5 - y) * scale - 0.5]])
    if roll:
        matrix[:, :2] = turned(matrix[:, :2].T, -roll).T
        matrix[:, 2:] = _about_middle(matrix[:, 2:].T, size, -roll).T
    return cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _averaged(frame, x, y, side, shrink, room):
    """Average blocks of `shrink` x `shrink` pixels around the square; return the small image and its square."""
    height, width = frame.shape[:2]
    room += shrink
    low, high = np.array([x, y]) - room, np.array([x, y]) + side + room
    left, top = np.clip(np.floor(low), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(high), [left + 1, top + 1], [width, height]).astype(int)
    part = frame[top:bottom, left:right]
    down, across = (-size % shrink for size in part.shape[:2])  # to whole blocks
    part = cv2.copyMakeBorder(part, 0, down, 0, across, cv2.BORDER_REPLICATE)
    small = cv2.resize(part, (part.shape[1] // shrink, part.shape[0] // shrink), interpolation=cv2.INTER_AREA)
    return small, (x - left) / shrink, (y - top) / shrink, side / shrink


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union (n, m) of boxes (n, 4) and others (m, 4)."""
    shared, areas, other_areas = _overlaps(boxes, others)
    return shared / np.maximum(areas + other_areas - shared, 1e-9)


def _overlaps(boxes, others):
    """Return the areas (n, m) that boxes and others share, and the areas (n, 1) and (m,) of both."""
    a, b = (np.asarray(v, np.float64).reshape(-1, 4) for v in (boxes, others))
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], b[:, :2] + b[:, 2:])
    return np.clip(high - low, 0, None).prod(-1), a[:, 2:].prod(1, keepdims=True), b[:, 2:].prod(1)


def surest(boxes: np.ndarray, scores: np.ndarray, *, overlap: float = 0.35) -> list[int]:
    """Return the indices of the boxes (n, 4) to keep, one per face, the surest first: non-maximum suppression.

    The higher score wins, or the larger area where scores are equal. A box goes when it shares `overlap` of the union
    with a kept one, or when NESTED of the smaller of the two lies in the other.
    """
    shared, column, areas = _overlaps(boxes, boxes)
    rivals = (shared > overlap * (column + areas - shared)) | (shared > NESTED * np.minimum(column, areas))
    kept: list[int] = []
    for i in np.lexsort((-areas, -np.asarray(scores, np.float64))).tolist():
        if not rivals[i, kept].any():
            kept.append(i)
    return sorted(kept, key=lambda i: (-scores[i], i))


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the similarity (2, 3) that brings points (k, 2) nearest to target points (k, 2), in least squares."""
    a, b = source - source.mean(0), target - target.mean(0)
    power = (a**2).sum()
    cosine, sine = (a * b).sum() / power, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / power
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, target.mean(0) - turn @ source.mean(0)])
