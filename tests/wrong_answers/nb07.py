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
        lambda k: np.linalg.norm(lips(k)) / np.linalg.norm(k[42] - k[39]),  # the inner corners of the eyes
        lambda k: np.linalg.norm(lips(k)) / np.ptp(k[:, 0]),  # in widths of the face
        lambda k: np.linalg.norm(k[57] - k[51]) / np.linalg.norm(k[45] - k[36]),  # the outer lips
        lambda k: np.linalg.norm(lips(k)) / np.linalg.norm(k[54] - k[48]),  # in widths of the mouth
        lambda k: lips(k)[1] / np.linalg.norm(k[45] - k[36]),  # downwards in the picture, not on the face
    ],
    "balanced_accuracy": [
        lambda c: np.trace(c) / c.sum(),  # plain accuracy
        lambda c: (np.diag(c) / np.maximum(c.sum(0), 1)).mean(),  # columns: of what was said
        lambda c: (np.diag(c) / c.sum()).mean(),
        lambda c: (np.diag(c) / c.sum(1)).max(),
        lambda c: np.average(np.diag(c) / c.sum(1), weights=c.sum(1)),  # each class by its size
    ],
    "upright_picture": [
        lambda f, k, size: warped(f, k, size, sign=0),  # not turned
        lambda f, k, size: warped(f, k, size, sign=-1),  # turned the other way
        lambda f, k, size: warped(f, k, size, shifted=False),
        lambda f, k, size: warped(f, k, size, unit=(39, 42)),  # the inner corners
        lambda f, k, size: warped(f, k, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
    ],
    "paired_interval": [
        lambda a, b, draws: np.percentile(a[draws].mean(1) - b[draws[::-1]].mean(1), [2.5, 97.5]),  # not paired
        lambda a, b, draws: np.percentile((b - a)[draws].mean(1), [2.5, 97.5]),  # the wrong way round
        lambda a, b, draws: np.percentile((a - b)[draws].mean(1), [5, 95]),  # 90 %
        lambda a, b, draws: np.percentile(a - b, [2.5, 97.5]),  # of single people
        lambda a, b, draws: np.percentile((a - b)[draws].mean(0), [2.5, 97.5]),  # over the wrong axis
        lambda a, b, draws: np.percentile(a[draws].mean(1), [2.5, 97.5]),  # of a alone
    ],
}
