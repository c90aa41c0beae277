"""Plausible wrong answers to the exercises of notebooks 01 and 05 to 07."""

import cv2
import numpy as np

from fkd_helpers.faces import boxes, sprites
from fkd_helpers.faces.landmarks import OUTER_EYES

WRONG: dict[str, dict] = {}


def mirrored(keypoints, width):
    return np.stack([width - keypoints[:, 0], keypoints[:, 1]], -1)


def only_the_eyes_swapped(keypoints, width):
    order = np.arange(68)
    order[list(OUTER_EYES)] = order[list(OUTER_EYES)][::-1]
    return mirrored(keypoints, width - 1)[order]


def tiny_picture(crop):
    return cv2.resize(crop, (24, 24), interpolation=cv2.INTER_AREA).ravel().astype(float)


WRONG["01"] = {
    "face_box": [
        lambda k: np.concatenate([k.min(0), k.max(0) - k.min(0)]),  # NaN spreads
        lambda k: np.concatenate([np.nanmin(k, 0), np.nanmax(k, 0)]),  # corners, not sizes
    ],
    "resize_keypoints": [
        lambda k, old, new: k * np.array(new) / np.array(old),  # half a pixel forgotten
        lambda k, old, new: (k + 0.5) * np.array(new)[::-1] / np.array(old)[::-1] - 0.5,  # height and width swapped
    ],
    "flip_keypoints": [
        lambda k, width: mirrored(k, width - 1),  # no swap
        only_the_eyes_swapped,
    ],
    "frames_of": [
        lambda names, people: [any(p in name for p in people) for name in names],
        lambda names, people: [name.split("/")[1].split("_")[0] in people for name in names],  # the first _
    ],
    "features": [
        tiny_picture,
        lambda crop: cv2.Canny(crop, 100, 200),  # a picture in place of a vector
    ],
}


def kept_after_all_before(candidates, scores, overlap):
    order = np.argsort(-scores)
    overlaps = boxes.iou(candidates[order], candidates[order]) > overlap
    return [int(i) for n, i in enumerate(order) if not overlaps[n, :n].any()]


def in_their_order(candidates, scores, overlap):
    kept = []
    for i in np.argsort(-scores):
        if not (boxes.iou(candidates[i], candidates[kept]) > overlap).any():
            kept.append(int(i))
    return sorted(kept)


def cell(maps, row, column, half=0.5, angle=np.arctan2):
    _, x, y, log_side, sine, cosine = maps[:, row, column]
    return [(column + x + half) * 8 - half, (row + y + half) * 8 - half, 32 * np.exp(log_side), angle(sine, cosine)]


def rotation(x, y, degrees, scale, shift):
    matrix = cv2.getRotationMatrix2D((x, y), degrees, scale)
    matrix[:, 2] += shift - np.array([x, y])
    return matrix


def outlined():
    picture = np.full((240, 240), 235, np.uint8)
    cv2.circle(picture, (120, 120), 90, 0, 4)
    for x in (90, 150):
        cv2.circle(picture, (x, 95), 11, 0, -1)
    cv2.ellipse(picture, (120, 125), (50, 40), 0, 20, 160, 0, 6)
    return picture


WRONG["05"] = {
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
        in_their_order,
    ],
    "upright_matrix": [
        lambda x, y, side, roll, size: rotation(x, y, -np.degrees(roll), size / side, (size - 1) / 2),  # the wrong way
        lambda x, y, side, roll, size: rotation(x, y, np.degrees(roll), size / side, size / 2),  # half a pixel off
        lambda x, y, side, roll, size: cv2.getRotationMatrix2D((x, y), np.degrees(roll), size / side),  # no shift
    ],
    "drawn_face": [
        outlined,
        lambda: cv2.GaussianBlur(outlined(), (0, 0), 5),
    ],
}


def mixed(part, sprite, share):
    return sprite[..., :3] * share + part * (1 - share)


def through_two(source, target, *, conjugate=False):
    step, wanted = (complex(*(points[1] - points[0])) for points in (source, target))
    number = (wanted / step).conjugate() if conjugate else wanted / step
    turn = np.array([[number.real, -number.imag], [number.imag, number.real]])
    return np.column_stack([turn, target[0] - turn @ source[0]])


def ring(frame, keypoints, *, inner=True, value=1.0):
    mask = np.zeros(frame.shape[:2], np.uint8)
    corners = keypoints.round().astype(np.int32)
    cv2.fillPoly(mask, [corners[48:60]], 1)
    cv2.fillPoly(mask, [corners[60:68]], 0 if inner else 1)
    return mask[..., None] * value


def tinted(frame, keypoints, colour, strength, **options):
    share = ring(frame, keypoints, value=strength, **options)
    return frame * (1 - share) + np.array(colour) * share


def swapped(frame, keypoints, other, other_keypoints, *, back=False, fit=sprites.fit_affine):
    matrix = fit(keypoints, other_keypoints) if back else fit(other_keypoints, keypoints)
    warped = cv2.warpAffine(other, matrix, frame.shape[1::-1])
    mask = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(keypoints.round().astype(np.int32)), 1)
    return np.where(mask[..., None] > 0, warped, frame)


def only_shifted(source, target):
    return np.column_stack([np.eye(2), target.mean(0) - source.mean(0)])


WRONG["06"] = {
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


def lips(keypoints):
    return keypoints[[67, 66, 65]].mean(0) - keypoints[[61, 62, 63]].mean(0)


def warped(frame, keypoints, size, *, sign=1, shifted=True):
    left, right = keypoints[36:42].mean(0), keypoints[42:48].mean(0)
    angle = np.degrees(np.arctan2(*(right - left)[::-1]))
    scale = size / 2 / np.linalg.norm(keypoints[45] - keypoints[36])
    middle = (left + right) / 2
    matrix = cv2.getRotationMatrix2D(middle.tolist(), sign * angle, scale)
    if shifted:
        matrix[:, 2] += [size / 2, 0.4 * size] - middle
    return cv2.warpAffine(frame, matrix, (size, size))


WRONG["07"] = {
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
