"""Plausible wrong answers to the exercises of notebook 07."""

import cv2
import numpy as np


def lips(keypoints):
    return keypoints[[67, 66, 65]].mean(0) - keypoints[[61, 62, 63]].mean(0)


def warped(frame, keypoints, size, *, sign=1, shifted=True, unit=(36, 45), flags=cv2.INTER_LINEAR):
    left, right = keypoints[36:42].mean(0), keypoints[42:48].mean(0)
    angle = np.degrees(np.arctan2(*(right - left)[::-1]))
    scale = size / 2 / np.linalg.norm(keypoints[unit[1]] - keypoints[unit[0]])
    middle = (left + right) / 2
    matrix = cv2.getRotationMatrix2D(middle.tolist(), sign * angle, scale)
    if shifted:
        matrix[:, 2] += [size / 2, 0.4 * size] - middle
    return cv2.warpAffine(frame, matrix, (size, size), flags=flags)


WRONG = {
    "mouth_opening": [
        lambda k: lips(k)[1],  # pixels
        lambda k: lips(k)[1] / np.linalg.norm(k[45] - k[36]),  # downwards in the picture, not on the face
    ],
    "balanced_accuracy": [
        lambda c: np.trace(c) / c.sum(),  # plain accuracy
        lambda c: (np.diag(c) / c.sum()).mean(),
    ],
    "upright_picture": [
        lambda f, k, size: warped(f, k, size, sign=0),  # not turned
        lambda f, k, size: warped(f, k, size, shifted=False),
    ],
    "paired_interval": [
        lambda a, b, draws: np.percentile(a[draws].mean(1) - b[draws[::-1]].mean(1), [2.5, 97.5]),  # not paired
        lambda a, b, draws: np.percentile((a - b)[draws].mean(1), [5, 95]),  # 90 %
    ],
}
