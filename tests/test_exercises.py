"""The checks of the exercises: solved by the solutions, quiet on the stubs, and deaf to plausible wrong answers."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest

from fkd_helpers.course import checks
from fkd_helpers.course.verdicts import Case, run
from fkd_helpers.faces import boxes, sprites
from fkd_helpers.faces.landmarks import OUTER_EYES
from fkd_helpers.train.augment import flip_order

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


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


def mirrored(keypoints, width):
    return np.stack([width - keypoints[:, 0], keypoints[:, 1]], -1)


def only_the_eyes_swapped(keypoints, width):
    order = np.arange(68)
    order[list(OUTER_EYES)] = order[list(OUTER_EYES)][::-1]
    return mirrored(keypoints, width - 1)[order]


def averaged(values, weight, start):
    smoothed = [start]
    for value in values:
        smoothed.append(weight * smoothed[-1] + (1 - weight) * value)
    return smoothed[1:]


def place(weights):
    shares = weights / weights.sum()
    cells = np.arange(len(shares))
    return np.array([(shares.sum(0) * cells).sum(), (shares.sum(1) * cells).sum()])


def soft_place(heat):
    return place(np.exp(heat - heat.max()))


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


def lips(keypoints):
    return keypoints[[67, 66, 65]].mean(0) - keypoints[[61, 62, 63]].mean(0)


def only_shifted(source, target):
    return np.column_stack([np.eye(2), target.mean(0) - source.mean(0)])


def taken_by(arrivals, work, pick, *, at_arrival=False):
    taken, free, i = [], -np.inf, 0
    while i < len(arrivals):
        i += int(max(0, pick((arrivals[i:] <= free).sum())))
        if i < len(arrivals):
            taken.append(i)
            free = (arrivals[i] if at_arrival else max(free, arrivals[i])) + work
        i += 1
    return taken


def age_by(taken, shown, now, *, since=None):
    ages = np.full(len(now), np.nan)
    for i, moment in enumerate(now):
        if len(there := np.flatnonzero(shown <= moment)):
            ages[i] = moment - (taken if since is None else since)[there[-1]]
    return ages


def counted(m, part):
    value, frames = 0.0, 0
    while value < part:
        value, frames = m * value + 1 - m, frames + 1
    return frames


# notebook -> exercise -> wrong answers that look right
def masked_mean(values, axes):
    count = (~np.isnan(values)).sum(axes)
    return np.where(count > 0, np.nansum(values, axes) / np.maximum(count, 1), np.nan)


def mirrored_15(keypoints, pairs, side, *, axis=0, swap=True, move=True):
    found, order = keypoints.copy(), np.arange(keypoints.shape[1])
    if move:
        found[..., axis] = side - found[..., axis]
    for a, b in pairs if swap else []:
        order[[a, b]] = b, a
    return found[:, order]


def by_chance(a, b):
    classes = max(a.max(), b.max()) + 1
    return (np.bincount(a, minlength=classes) * np.bincount(b, minlength=classes)).sum() / len(a) ** 2


def binned(sure, bins):
    place = np.ceil(sure * bins)
    return [np.flatnonzero(place == b) for b in np.unique(place)]


def int8_by(values, low, high, *, clip=True, whole=np.round, steps=255):
    scale = (high - low) / steps
    zero = np.round(-128 - low / scale)
    stored = whole(values / scale) + zero
    return (np.clip(stored, -128, 127) - zero if clip else stored - zero) * scale


WRONG: dict[str, dict[str, list[Callable]]] = {
    "01": {
        "face_box": [
            lambda k: np.concatenate([k.min(0), k.max(0) - k.min(0)]),  # NaN spreads
            lambda k: np.concatenate([np.nanmin(k, 0), np.nanmax(k, 0)]),  # corners, not sizes
            lambda k: np.concatenate([np.nanmin(np.nan_to_num(k), 0), np.ptp(np.nan_to_num(k), 0)]),  # missing = 0
            lambda k: np.concatenate([np.nanmin(k, 0)[::-1], (np.nanmax(k, 0) - np.nanmin(k, 0))[::-1]]),  # y first
        ],
        "normalise": [
            lambda k, box: (k - box[:2] - box[2:] / 2) / box[2:],  # each side by itself
            lambda k, box: (k - box[:2]) / max(box[2:]),  # from the corner
            lambda k, box: (k - box[:2] - box[2:] / 2) / box[2],  # always the width
            lambda k, box: (k - k.mean(0)) / max(box[2:]),  # the mean of the points is not the middle of the box
        ],
        "resize_keypoints": [
            lambda k, old, new: k * np.array(new) / np.array(old),  # half a pixel forgotten
            lambda k, old, new: (k + 0.5) * np.array(new)[::-1] / np.array(old)[::-1] - 0.5,  # height and width swapped
            lambda k, old, new: (k + 0.5) * new[0] / old[0] - 0.5,  # one factor for both
            lambda k, old, new: k,  # points left behind
        ],
        "flip_keypoints": [
            lambda k, width: mirrored(k, width - 1),  # no swap
            lambda k, width: mirrored(k, width)[flip_order(68)],  # one pixel off
            lambda k, width: mirrored(k, width - 1)[::-1],  # the order reversed
            lambda k, width: k[flip_order(68)],  # the numbers, but not the places
            only_the_eyes_swapped,
        ],
        "frames_of": [
            lambda names, people: [any(p in name for p in people) for name in names],
            lambda names, people: [any(name.split("/")[1].startswith(p) for p in people) for name in names],
            lambda names, people: [name.split("/")[1].split("_")[0] in people for name in names],  # the first _
            lambda names, people: [name.rpartition("_")[0] in people for name in names],  # the folder kept
            lambda names, people: [i for i, name in enumerate(names) if any(p in name for p in people)],  # places
        ],
    },
    "02": {
        "masked_l1": [
            lambda p, t: np.abs(p - t).mean(),  # NaN spreads
            lambda p, t: np.nansum(np.abs(p - t)) / t.size,  # divided by what is missing too
            lambda p, t: np.abs(p - np.nan_to_num(t)).mean(),  # missing = 0
            lambda p, t: np.nan_to_num(np.nanmean(np.abs(p - t))) ** 2,  # squared
            lambda p, t: np.nan_to_num([np.abs(a - b)[~np.isnan(b)].mean() for a, b in zip(p, t, strict=True)]).mean(),
        ],
        "momentum_step": [
            lambda w, g, v, rate, m: (w - rate * g, m * v + g),  # the velocity is kept, and not used
            lambda w, g, v, rate, m: (w - rate * v, m * v + g),  # the old velocity
            lambda w, g, v, rate, m: (w - rate * (m * v + (1 - m) * g), m * v + (1 - m) * g),  # an average, as in Adam
            lambda w, g, v, rate, m: (w + rate * (m * v + g), m * v + g),  # uphill
            lambda w, g, v, rate, m: (w - rate * (m * v + g), v),  # the velocity stays as it was
        ],
        "smooth": [
            lambda x, weight: averaged(x, weight, start=0.0),
            lambda x, weight: averaged(x, 1 - weight, start=x[0]),  # the weights exchanged
            lambda x, weight: np.append(x[0], weight * x[:-1] + (1 - weight) * x[1:]),  # of raw neighbours
            lambda x, weight: np.full_like(x, x.mean()),
        ],
        "soft_argmax": [
            lambda h: soft_place(h)[::-1],  # y first
            lambda h: np.unravel_index(h.argmax(), h.shape)[::-1],  # the highest cell
            lambda h: place(h - h.min() + 1e-9),  # no exponential
            lambda h: place(np.exp(np.minimum(h, 700))),  # too large a number for exp, cut off
        ],
        "one_draw": [
            lambda v, people, drawn: v[np.isin(people, drawn)].mean(),  # twice drawn counts once
            lambda v, people, drawn: np.mean([v[people == one].mean() for one in drawn]),  # a person counts as one
            lambda v, people, drawn: v.mean(),
            lambda v, people, drawn: np.mean([v[people == one][0] for one in drawn]),  # the first frame only
        ],
    },
    "03": {
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
    },
    "04": {
        "blend": [
            lambda part, sprite: (sprite[..., :3] * sprite[..., 3:] + part * (255 - sprite[..., 3:])) // 255,  # uint8
            lambda part, sprite: mixed(part, sprite, sprite[..., 3:] > 0),  # all or nothing
            lambda part, sprite: mixed(part, sprite, 1 - sprite[..., 3:] / 255),  # the wrong way round
            lambda part, sprite: part + sprite[..., :3] * (sprite[..., 3:] / 255.0),  # the frame shines through
            lambda part, sprite: mixed(part, sprite, 0.5),  # alpha is not read
        ],
        "two_point_map": [
            only_shifted,
            lambda source, target: through_two(source, target, zoom=False),
            lambda source, target: through_two(source, target, conjugate=True),  # turned the other way
            lambda source, target: through_two(source, target, around=False),  # shifted before it is turned
            lambda source, target: through_two(target, source),  # the way back
        ],
        "lip_colour": [
            lambda f, k, colour, strength: tinted(f, k, colour, strength, inner=False),  # the open mouth painted too
            lambda f, k, colour, strength: tinted(f, k, colour, float(strength > 0)),  # always full strength
            lambda f, k, colour, strength: tinted(f, k, colour, 1 - strength),
            lambda f, k, colour, strength: tinted(f, k, colour, strength, first=54),  # the lower lip only
            lambda f, k, colour, strength: f * (1 - strength) + colour * strength,  # the whole frame
        ],
        "other_face": [
            lambda f, k, other, there: swapped(f, k, other, there, back=True),
            lambda f, k, other, there: swapped(f, k, other, there, hull=False),  # the box of the face
            lambda f, k, other, there: swapped(f, k, other, there, fit=only_shifted),
            lambda f, k, other, there: cv2.warpAffine(other, sprites.fit_affine(there, k), f.shape[1::-1]),  # no mask
            lambda f, k, other, there: f.copy(),
        ],
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
    },
    "05": {
        "latest_wins": [
            lambda arrivals, work: list(range(len(arrivals))),  # a queue: all of them
            lambda arrivals, work: taken_by(arrivals, work, lambda waiting: 0),  # the oldest of those that wait
            lambda arrivals, work: taken_by(arrivals, work, lambda waiting: waiting),  # never one that waits
            lambda arrivals, work: taken_by(arrivals, work, lambda waiting: waiting - 1, at_arrival=True),
            lambda arrivals, work: list(range(0, len(arrivals), max(1, round(work / 0.04)))),  # every so many
        ],
        "most_fps": [
            lambda window, there, work, back: window / (there + work + back),  # a worker without limit
            lambda window, there, work, back: min(window / (there + back), 1 / work),  # the work forgotten
            lambda window, there, work, back: max(window / (there + work + back), 1 / work),
            lambda window, there, work, back: min(1 / (there + work + back), 1 / work),  # the window forgotten
            lambda window, there, work, back: min(window / (there + work + back), window / work),  # many workers
        ],
        "picture_age": [
            lambda taken, shown, now: age_by(taken, shown, now, since=shown),  # since it was drawn, not taken
            lambda taken, shown, now: age_by(taken, taken, now),  # as if there were no delay
            lambda taken, shown, now: age_by(taken, np.where(np.isnan(shown), taken + 0.06, shown), now),
            lambda taken, shown, now: np.nan_to_num(age_by(taken, shown, now)),  # none yet counts as new
            lambda taken, shown, now: np.full(len(now), np.nanmean(shown - taken)),  # the mean delay
        ],
        "frames_to_reach": [
            lambda m, part: max(1, int(np.log(1 - part) / np.log(max(m, 1e-9)))),  # rounded down
            lambda m, part: counted(m, 1 - part),  # what is missing taken for what is there
            lambda m, part: counted(1 - m, min(part, 0.99)) if m else 1,  # the weights exchanged
            lambda m, part: counted(m, part) + 1,  # one too many
            lambda m, part: int(np.ceil(1 + m / (1 - m))),  # the mean delay
        ],
    },
    "06": {
        "rmse_by_point": [
            lambda p, t: np.sqrt((np.nan_to_num(p - t) ** 2).mean((0, 2))),  # a gap counts as a hit
            lambda p, t: np.sqrt(masked_mean((p - t) ** 2, (0, 1))),  # of each axis
            lambda p, t: np.sqrt(masked_mean((p - t) ** 2, (1, 2))),  # of each face
            lambda p, t: masked_mean(np.abs(p - t), (0, 2)),  # MAE
            lambda p, t: masked_mean((p - t) ** 2, (0, 2)),  # the root forgotten
            lambda p, t: np.nan_to_num(np.sqrt(masked_mean((p - t) ** 2, (0, 2)))),  # 0 for a point that nobody has
        ],
        "fill_mean": [
            lambda k: np.nan_to_num(k),  # zeros
            lambda k: np.where(np.isnan(k), np.nanmean(k), k),  # one number for everything
            lambda k: np.where(np.isnan(k), np.nanmean(k, (0, 1)), k),  # of all points
            lambda k: np.broadcast_to(np.nanmean(k, 0), k.shape),  # the real labels too
            lambda k: np.where(np.isnan(k), np.nanmedian(k, 0), k) + 0.01,
        ],
        "flip_15": [
            lambda k, pairs, side=96: mirrored_15(k, pairs, side, swap=False),  # names stay
            lambda k, pairs, side=96: mirrored_15(k, pairs, side - 1),  # pixels from their middles
            lambda k, pairs, side=96: mirrored_15(k, pairs, side, axis=1),  # upside down
            lambda k, pairs, side=96: mirrored_15(k, pairs, side, move=False),  # names only
            lambda k, pairs, side=96: np.nan_to_num(mirrored_15(k, pairs, side)),  # a gap becomes a point
        ],
        "leaked": [
            lambda groups, held: np.isin(groups[~held], groups[held]).mean(),  # of the others
            lambda groups, held: np.isin(groups, groups[~held]).mean(),  # of all
            lambda groups, held: float(np.isin(groups[held], groups[~held]).any()),  # whether, not how many
            lambda groups, held: 1 - len(np.unique(groups)) / len(groups),  # repeats, wherever they are
            lambda groups, held: np.isin(groups[held], groups[~held]).sum() / len(groups),
        ],
    },
    "07": {
        "kappa": [
            lambda a, b: np.mean(a == b),  # chance not taken off
            lambda a, b: (np.mean(a == b) - 1 / (a.max() + 1)) / (1 - 1 / (a.max() + 1)),  # chance of equal classes
            lambda a, b: np.mean(a == b) - by_chance(a, b),  # not divided
            lambda a, b: (np.mean(a == b) - by_chance(a, a)) / (1 - by_chance(a, a)),  # one rater's habits twice
        ],
        "concordance": [
            lambda p, t: np.corrcoef(p, t)[0, 1],  # Pearson's r
            lambda p, t: 2 * np.cov(p, t)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2),  # n - 1 above only
            lambda p, t: 2 * np.cov(p, t, ddof=0)[0, 1] / (p.var() + t.var()),  # means not compared
            lambda p, t: 2 * np.mean(p * t) / np.mean(p * p + t * t),  # about zero
        ],
        "smooth_labels": [
            lambda e, classes, s: np.eye(classes)[e] * (1 - s),  # the rest of the share is lost
            lambda e, classes, s: np.where(np.eye(classes)[e] == 1, 1 - s, s / (classes - 1)),  # the label gets no part
            lambda e, classes, s: np.eye(classes)[e] * (1 - s) + s,  # not divided
        ],
        "calibration_error": [
            lambda sure, right, bins: abs(sure.mean() - right.mean()),  # one bin
            lambda sure, right, bins: np.abs(sure - right).mean(),  # a bin an answer
            lambda sure, right, bins: np.mean([abs(sure[i].mean() - right[i].mean()) for i in binned(sure, bins)]),
            lambda sure, right, bins: sum(
                len(i) / len(sure) * (sure[i].mean() - right[i].mean()) for i in binned(sure, bins)
            ),  # signs cancel
        ],
    },
    "08": {
        "through_int8": [
            lambda v, low, high: int8_by(v, low, high, clip=False),
            lambda v, low, high: int8_by(v, low, high, whole=np.floor),  # cut, not rounded
            lambda v, low, high: int8_by(v, low, high, steps=127),  # seven bits
            lambda v, low, high: low + np.round((np.clip(v, low, high) - low) / (high - low) * 255)
            * (high - low) / 255,  # zero lies between two steps
        ],
        "whole_mean": [
            lambda means, counts: np.nan_to_num(means).mean(0),  # every worker counts the same
            lambda means, counts: np.nanmean(means, 0),
            lambda means, counts: (means * counts[:, None]).sum(0) / counts.sum(),  # 0 x nan is nan
            lambda means, counts: np.nansum(means * counts[:, None], 0) / len(counts),  # by workers, not faces
        ],
        "speedup": [
            lambda w, alone, talk: w,
            lambda w, alone, talk: 1 / (alone + (1 - alone) / w + talk * w),  # talks to itself
            lambda w, alone, talk: 1 / (alone + (1 - alone) / w),  # silent
            lambda w, alone, talk: 1 / (alone + 1 / w + talk * (w - 1)),  # what cannot be shared is done twice
            lambda w, alone, talk: alone + (1 - alone) / w + talk * (w - 1),  # time, not speed
        ],
        "expected_hours": [
            lambda hours, rate: hours * (1 + rate * hours),  # one failure at most
            lambda hours, rate: hours * np.exp(rate * hours),  # each failure costs the whole job
            lambda hours, rate: hours / (1 - rate * hours) if rate * hours < 1 else 1e9,
            lambda hours, rate: np.expm1(rate * hours) / max(rate, 1e-300),  # never fails: never done
        ],
    },
}
EXERCISES = [(number, name) for number, exercises in WRONG.items() for name in exercises]


def code(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def answer(path: Path, name: str) -> Callable:
    """Return a function of a notebook, made by the imports of the first code cell and by the cell that defines it."""
    cells = code(path)
    (source,) = [source for source in cells if re.search(rf"^def {name}\(", source, re.M)]
    source = re.sub(rf"^checks\.{name}\(.*", "", source, flags=re.M)
    space: dict = {}
    exec("\n".join(re.findall(r"^(?:import|from) .*", cells[0], re.M)), space)
    exec(source, space)
    return space[name]


def notebook(number: str) -> Path:
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return path


def solutions(number: str) -> Path:
    return NOTEBOOKS / "solutions" / f"{number}_solutions.ipynb"


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_the_solution_solves_it(number, name):
    verdict = getattr(checks, name)(answer(solutions(number), name))
    assert verdict.solved and verdict.total >= 2, verdict


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_the_stub_counts_as_not_attempted(number, name):
    verdict = getattr(checks, name)(answer(notebook(number), name))
    assert repr(verdict).endswith("not attempted yet"), verdict


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for wrongs in WRONG.values() for name in wrongs for wrong in wrongs[name]]
)
def test_a_wrong_answer_is_refused_with_the_case_it_fails(name, wrong):
    verdict = getattr(checks, name)(wrong)
    assert not verdict.solved
    assert "raised" not in verdict.message and ": " in verdict.message, verdict


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_the_stub_has_the_arguments_of_the_solution(number, name):
    stub, solution = (inspect.signature(answer(path, name)) for path in (notebook(number), solutions(number)))
    assert list(stub.parameters) == list(solution.parameters)


def test_every_exercise_of_a_notebook_has_wrong_answers_here():
    for number in WRONG:
        asked = {found for source in code(notebook(number)) for found in re.findall(r"^checks\.(\w+)\(", source, re.M)}
        assert asked == set(WRONG[number])


def test_a_check_never_raises_and_says_what_it_got():
    cases = [Case("one", (np.zeros(2),), [0.0, 1.0])]
    assert "ZeroDivisionError" in run(lambda a: 1 / 0, cases).message
    assert "shape (2,), got (3,)" in run(lambda a: np.zeros(3), cases).message
    assert "expected 1 at [1], got 5" in run(lambda a: [0, 5], cases).message
    assert "expected numbers" in run(lambda a: "words", cases).message
    assert run(lambda a: [0, 1], cases).solved


def test_an_answer_that_changes_its_argument_is_refused():
    def in_place(a):
        a += 1
        return [0, 1]

    assert "in place" in run(in_place, [Case("one", (np.zeros(2),), [0, 1])]).message
