"""What puppets need besides a warped portrait: backgrounds, the inside of a mouth, eyelids, light; all made here."""

import functools

import cv2
import numpy as np

# by kind: cells down and across, how much they differ in brightness, and in colour
BACKGROUNDS = (
    (2, 2, 28, 6),  # light falling off across a wall
    (4, 5, 26, 8),  # large soft patches
    (9, 9, 38, 10),  # blurred things
    (3, 3, 0, 8),  # plaster, cloth
)


def background(rng: np.random.Generator, size: tuple[int, int], kind: int | None = None) -> np.ndarray:
    """Return a background (h, w, 3) uint8 for a frame of `size` (width, height), of a kind of BACKGROUNDS."""
    drawn = rng.integers(4)
    kind = drawn if kind is None else kind
    rows, columns, light, colour = BACKGROUNDS[kind]
    cells = rng.uniform(30, 225) + rng.normal(0, 14, 3)
    if light:
        shade = rng.normal(0, light, (rows, columns, 1))
        cells = cells + (shade * (rng.random(shade.shape) < 0.5) if kind == 2 else shade)
    cells = np.clip(cells + rng.normal(0, colour, (rows, columns, 3)), 5, 250).astype(np.uint8)
    # enlarged to more than the frame and cut half a cell inside: beyond its outer cells a picture stands still
    down, across = (-(-length // (2 * (count - 1))) for length, count in zip(size[::-1], (rows, columns), strict=True))
    whole = size[0] + 2 * across, size[1] + 2 * down
    picture = cv2.resize(cells, whole, interpolation=cv2.INTER_CUBIC if kind else cv2.INTER_LINEAR)
    picture = np.ascontiguousarray(picture[down : down + size[1], across : across + size[0]])
    if kind == 3:
        grain = cv2.resize(_grain(rng, (size[0] // 3 + 1, size[1] // 3 + 1), 7), size, interpolation=cv2.INTER_CUBIC)
        picture = cv2.add(picture, cv2.cvtColor(grain, cv2.COLOR_GRAY2RGB), dtype=cv2.CV_8U)
    return picture


def _grain(rng, size, spread):
    """Return noise (h, w) float32 of a standard deviation; the sum of two bytes is near enough to normal, and fast."""
    one, two = rng.integers(0, 256, (2, size[1], size[0]), np.uint8)
    return cv2.addWeighted(one, spread / 104.5, two, spread / 104.5, -255 * spread / 104.5, dtype=cv2.CV_32F)


def lay_over(frame: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Return the frame (h, w, 3) with an RGBA picture (h, w, 4) of the same size laid over it."""
    alpha = cut[..., 3].astype(np.float32) / 255
    colours = cv2.cvtColor(cut, cv2.COLOR_RGBA2RGB)
    return cv2.blendLinear(colours, frame, alpha, 1 - alpha)


def soft_mask(size: tuple[int, int], polygons, soft: float, holes=()) -> np.ndarray:
    """Return polygons (n, 2) without their holes as a soft mask (h, w) float32, 0..255."""
    drawn = np.zeros(size, np.uint8)
    for shade, shapes in ((255, polygons), (0, holes)):
        for shape in shapes:
            cv2.fillPoly(drawn, [np.round(shape * 16).astype(np.int32)], shade, cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(drawn, (0, 0), soft).astype(np.float32)


def _fill(patch, polygon, colour, strength, soft):
    """Paint a soft polygon (n, 2) into an RGB patch, in place; coordinates are those of the patch."""
    alpha = soft_mask(patch.shape[:2], [polygon], soft) * (strength / 255)
    patch += (np.asarray(colour, np.float32) - patch) * alpha[..., None]


def _curve(points):
    """Return a smooth curve through points (k, 2) that follow one another at about equal distances."""
    return _curve_weights(len(points)) @ points


@functools.cache
def _curve_weights(count):
    # halfway between straight lines and the polynomial through all points: round, without overshoot
    t, knots = np.linspace(0, count - 1, 5 * (count - 1) + 1), np.arange(count)
    straight = np.stack([np.interp(t, knots, row) for row in np.eye(count)], 1)
    smooth = np.stack([np.polyval(np.polyfit(knots, row, count - 1), t) for row in np.eye(count)], 1)
    return (straight + smooth) / 2


def _window(frame, points, pad):
    height, width = frame.shape[:2]
    left, top = np.clip(np.floor(points.min(0) - pad), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(points.max(0) + pad), [left + 1, top + 1], [width, height]).astype(int)
    return frame[top:bottom, left:right], np.array([left, top])


def paint_mouth(frame: np.ndarray, keypoints: np.ndarray, side: float, own_gap: float) -> None:
    """Paint the inside of the mouth of keypoints (68, 2), in place, where its lips part more than `own_gap`."""
    inner = keypoints[60:68]
    gap = np.linalg.norm(inner[6] - inner[2])
    strength = float(np.clip((gap - 1.1 * own_gap - 0.01 * side) / (0.015 * side), 0, 1))
    if not strength:
        return
    smiling = own_gap > 0.03 * side  # teeth are in the picture: the painted ones begin where those end
    window, corner = _window(frame, inner, 0.04 * side)
    patch = window.astype(np.float32)
    upper, lower = _curve(inner[:5] - corner), _curve(inner[[4, 5, 6, 7, 0]] - corner)
    soft = max(0.006 * side, 0.6)
    # colours follow those of the face around, so that the mouth lies in the same light
    skin = np.percentile(patch.reshape(-1, 3), 70, axis=0)
    _fill(patch, np.concatenate([upper, lower]), skin * [0.3, 0.13, 0.13], 1.0, soft)
    down = (inner[6] - inner[2]) / max(gap, 1e-6)
    arch = np.sin(np.linspace(0, np.pi, len(upper)))[:, None]
    if gap > 0.1 * side:
        tongue = lower + (lower.mean(0) - lower) * 0.25
        tongue = np.concatenate([tongue, (tongue - 0.3 * gap * arch * down)[::-1]])
        _fill(patch, tongue, skin * [0.62, 0.34, 0.34], 0.7, soft * 2)
    # upper teeth hang from the upper lip, less at the corners; a mouth that hardly opens hides them
    shown = 1.0 if smiling else float(np.clip(gap / side * 14 - 0.5, 0, 0.85))
    drop = min(0.8 * gap, 0.8 * own_gap) if smiling else min(0.42 * gap, 0.045 * side)
    inward = upper + (upper.mean(0) - upper) * (0.04 if smiling else 0.12)
    teeth = np.clip(skin * 0.5 + skin.mean() * 0.6 + [18, 14, 6], 0, 228)
    _fill(patch, np.concatenate([inward, (inward + drop * np.sqrt(arch) * down)[::-1]]), teeth, shown, soft)
    window[:] = np.clip(window + (patch - window) * strength, 0, 255).astype(np.uint8)


def hold_lids(keypoints: np.ndarray, gap: float) -> np.ndarray:
    """Return keypoints (68, 2) with upper lids lifted where they stand less than `gap` pixels above the lower ones."""
    held = keypoints.copy()
    for start in (36, 42):
        along = keypoints[start + 3] - keypoints[start]
        up = np.array([along[1], -along[0]]) / max(np.linalg.norm(along), 1e-6)
        for upper, lower in ((start + 1, start + 5), (start + 2, start + 4)):
            short = gap - (keypoints[upper] - keypoints[lower]) @ up
            held[upper] += max(short, 0) * up
    return held


def paint_lids(frame: np.ndarray, keypoints: np.ndarray, held: np.ndarray, side: float) -> None:
    """Paint skin from the lids that a warp has shown (`held`, (68, 2)) down to those of `keypoints`, in place."""
    for start in (36, 42):
        eye, middle, below = slice(start, start + 4), slice(start + 1, start + 3), [start + 5, start + 4]
        drop = np.linalg.norm(keypoints[eye] - held[eye], axis=1).max()
        if drop < 0.002 * side:
            continue
        window, corner = _window(frame, np.concatenate([keypoints[eye], held[eye]]), 0.06 * side)
        patch = window.astype(np.float32)
        above, shown = _curve(held[eye] - corner), _curve(keypoints[eye] - corner)
        # skin from a little above the lid and below the eye, where no lash lies
        up = (held[middle] - held[below]) * 0.5
        places = np.concatenate([held[middle] + up, keypoints[below[::-1]] - up]) - corner
        columns, rows = np.clip(places.round().astype(int), 0, np.array(patch.shape[1::-1]) - 1).T
        skin = cv2.blur(patch, (3, 3))[rows, columns].mean(0)
        lifted = above + (above - shown) * 0.15
        _fill(patch, np.concatenate([lifted, shown[::-1]]), skin, 1.0, max(0.006 * side, 0.6))
        thick = 0.011 * side * np.sin(np.linspace(0.15, np.pi - 0.15, len(shown)))[:, None]
        line = np.concatenate([shown - [0, 1] * thick / 2, (shown + [0, 1] * thick / 2)[::-1]])
        _fill(patch, line, skin * 0.3, min(drop / (0.012 * side), 1) * 0.85, max(0.004 * side, 0.45))
        window[:] = np.clip(patch, 0, 255).astype(np.uint8)


def light(rng: np.random.Generator, frame: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Return the frame under another light: brightness, contrast, colour, a soft fall-off, a little noise."""
    gamma = np.exp(rng.normal(0, 0.15 * strength))
    gain = np.exp(rng.normal(-0.02, 0.08 * strength)) * np.exp(rng.normal(0, 0.035 * strength, 3))
    ramp = (np.arange(256) / 255.0)[:, None] ** gamma * gain * 255
    frame = cv2.LUT(frame, np.clip(ramp, 0, 255).astype(np.uint8)[:, None, :])
    fall = np.clip(rng.normal(1, 0.12 * strength, (2, 2, 1)), 0.6, 1.4) * [128, 128, 128]
    fall = cv2.resize(fall.round().astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    noise = _grain(rng, frame.shape[1::-1], abs(rng.normal(0, 2.5)) * strength)
    frame = cv2.multiply(frame, fall, scale=1 / 128)
    return cv2.add(frame, cv2.cvtColor(noise, cv2.COLOR_GRAY2RGB), dtype=cv2.CV_8U)
