"""Plausible wrong answers to the exercises of notebook 06."""

import cv2
import numpy as np

from fkd_helpers.faces import sprites


def mixed(part, sprite, share):
    return sprite[..., :3] * share + part * (1 - share)


def through_two(source, target, *, zoom=True, conjugate=False, around=True):
    step, wanted = (complex(*(points[1] - points[0])) for points in (source, target))
    number = wanted / step if zoom else (wanted / step) / abs(wanted / step)
    number = number.conjugate() if conjugate else number
    turn = np.array([[number.real, -number.imag], [number.imag, number.real]])
    return np.column_stack([turn, target[0] - (turn @ source[0] if around else source[0])])


def ring(frame, keypoints, *, inner=True, first=48, value=1.0):
    mask = np.zeros(frame.shape[:2], np.uint8)
    corners = keypoints.round().astype(np.int32)
    cv2.fillPoly(mask, [corners[first:60]], 1)
    cv2.fillPoly(mask, [corners[60:68]], 0 if inner else 1)
    return mask[..., None] * value


def tinted(frame, keypoints, colour, strength, **options):
    share = ring(frame, keypoints, value=strength, **options)
    return frame * (1 - share) + np.array(colour) * share


def swapped(frame, keypoints, other, other_keypoints, *, back=False, hull=True, fit=sprites.fit_affine):
    matrix = fit(keypoints, other_keypoints) if back else fit(other_keypoints, keypoints)
    warped = cv2.warpAffine(other, matrix, frame.shape[1::-1])
    mask = np.zeros(frame.shape[:2], np.uint8)
    points = keypoints.round().astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
    if not hull:
        mask[points[:, 1].min() : points[:, 1].max(), points[:, 0].min() : points[:, 0].max()] = 1
    return np.where(mask[..., None] > 0, warped, frame)


def only_shifted(source, target):
    return np.column_stack([np.eye(2), target.mean(0) - source.mean(0)])


WRONG = {
    "blend": [
        lambda part, sprite: (sprite[..., :3] * sprite[..., 3:] + part * (255 - sprite[..., 3:])) // 255,  # uint8
        lambda part, sprite: mixed(part, sprite, sprite[..., 3:] > 0),  # all or nothing
    ],
    "two_point_map": [
        only_shifted,
        lambda source, target: through_two(source, target, conjugate=True),  # turned the other way
        lambda source, target: through_two(target, source),  # the way back
    ],
    "lip_colour": [
        lambda f, k, colour, strength: tinted(f, k, colour, strength, inner=False),  # the open mouth painted too
        lambda f, k, colour, strength: tinted(f, k, colour, 1 - strength),
    ],
    "other_face": [
        lambda f, k, other, there: swapped(f, k, other, there, back=True),
        lambda f, k, other, there: swapped(f, k, other, there, fit=only_shifted),
    ],
}
