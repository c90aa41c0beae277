"""Plausible wrong answers to the exercises of notebook 05."""

import cv2
import numpy as np

from fkd_helpers.faces import boxes


def kept_after_all_before(candidates, scores, overlap):
    order = np.argsort(-scores)
    overlaps = boxes.iou(candidates[order], candidates[order]) > overlap
    return [int(i) for n, i in enumerate(order) if not overlaps[n, :n].any()]


def kept_by(shared_part, candidates, scores, overlap, order=-1):
    kept = []
    for i in np.argsort(order * scores):
        if not any(shared_part(candidates[i], candidates[k]) > overlap for k in kept):
            kept.append(int(i))
    return kept


def of_the_smaller(a, b):
    sides = np.clip(np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return sides.prod() / min(a[2:].prod(), b[2:].prod())


def iou(a, b):
    return boxes.iou(a, b)[0, 0]


def cell(maps, row, column, half=0.5, size=np.exp, angle=np.arctan2):
    _, x, y, log_side, sine, cosine = maps[:, row, column]
    return [(column + x + half) * 8 - half, (row + y + half) * 8 - half, 32 * size(log_side), angle(sine, cosine)]


def rotation(x, y, degrees, scale, shift):
    matrix = cv2.getRotationMatrix2D((x, y), degrees, scale)
    matrix[:, 2] += shift - np.array([x, y])
    return matrix


def outlined(background=235):
    picture = np.full((240, 240), background, np.uint8)
    cv2.circle(picture, (120, 120), 90, 0, 4)
    for x in (90, 150):
        cv2.circle(picture, (x, 95), 11, 0, -1)
    cv2.ellipse(picture, (120, 125), (50, 40), 0, 20, 160, 0, 6)
    return picture


WRONG = {
    "rectangle_sum": [
        lambda s, x, y, w, h: s[x + w, y + h] - s[x, y + h] - s[x + w, y] + s[x, y],  # x as the row
        lambda s, x, y, w, h: s[y + h - 1, x + w - 1] - s[y, x + w - 1] - s[y + h - 1, x] + s[y, x],  # one short
    ],
    "read_cell": [
        lambda maps, row, column: cell(maps, row, column, half=0),  # corners of cells and pixels
        lambda maps, row, column: cell(maps, column % 4, row),  # x as the row
        lambda maps, row, column: cell(maps, row, column, angle=lambda sine, _: np.arcsin(sine)),
    ],
    "keep_best": [
        kept_after_all_before,
        lambda b, s, overlap: sorted(kept_by(iou, b, s, overlap)),  # the order of the boxes
        lambda b, s, overlap: kept_by(of_the_smaller, b, s, overlap),
        lambda b, s, overlap: np.argsort(-s),  # all of them
    ],
    "upright_matrix": [
        lambda x, y, side, roll, size: rotation(x, y, -np.degrees(roll), size / side, (size - 1) / 2),  # the wrong way
        lambda x, y, side, roll, size: rotation(x, y, np.degrees(roll), side / size, (size - 1) / 2),
        lambda x, y, side, roll, size: rotation(x, y, np.degrees(roll), size / side, size / 2),  # half a pixel off
        lambda x, y, side, roll, size: cv2.getRotationMatrix2D((x, y), np.degrees(roll), size / side),  # no shift
    ],
    "drawn_face": [
        outlined,
        lambda: np.full((240, 240), 128, np.uint8),
        lambda: np.dstack([outlined()] * 3),
        lambda: cv2.GaussianBlur(outlined(), (0, 0), 5),
    ],
}
