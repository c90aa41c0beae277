"""Plausible wrong answers to the exercises of notebook 05."""

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


def square(centre, side):
    return np.array([*(np.asarray(centre) - side / 2), side, side])


WRONG = {
    "rectangle_sum": [
        lambda s, x, y, w, h: s[x + w, y + h] - s[x, y + h] - s[x + w, y] + s[x, y],  # x as the row
        lambda s, x, y, w, h: s[y + h, x + w] - s[y, x + w] - s[y + h, x],  # the corner left out
        lambda s, x, y, w, h: s[y + h - 1, x + w - 1] - s[y, x + w - 1] - s[y + h - 1, x] + s[y, x],  # one short
        lambda s, x, y, w, h: s[y : y + h, x : x + w].sum(),  # the sum of sums
    ],
    "keep_best": [
        kept_after_all_before,
        lambda b, s, overlap: sorted(kept_by(iou, b, s, overlap)),  # the order of the boxes
        lambda b, s, overlap: kept_by(iou, b, s, overlap, order=1),  # the lowest score first
        lambda b, s, overlap: kept_by(of_the_smaller, b, s, overlap),
        lambda b, s, overlap: np.argsort(-s),  # all of them
        lambda b, s, overlap: np.argsort(-s)[:1],  # the best one only
    ],
    "crop_square": [
        lambda b, margin: square(b[:2] + b[2:] / 2, max(b[2:]) * (1 + margin)),  # the margin once
        lambda b, margin: square(b[:2] + b[2:] / 2, b[2] * (1 + 2 * margin)),  # always the width
        lambda b, margin: np.array([*(b[:2] - margin * b[2:]), *[max(b[2:]) * (1 + 2 * margin)] * 2]),  # off centre
        lambda b, margin: np.array([*(b[:2] - margin * b[2:]), *(b[2:] * (1 + 2 * margin))]),  # no square
    ],
    "back_to_frame": [
        lambda k, s, size: k * s[2] / size + s[:2],  # half a pixel forgotten
        lambda k, s, size: (k + 0.5) * size / s[2] + s[:2] - 0.5,  # the factor upside down
        lambda k, s, size: (k + 0.5) * s[2] / size - 0.5,  # the corner forgotten
        lambda k, s, size: (k + 0.5 + s[:2]) * s[2] / size - 0.5,  # moved before it is scaled
    ],
}
