"""Looks of puppet people: tones, hair, glasses, beard, make-up, freckles; drawn by us onto a portrait.

A look is painted once onto the flat portrait and kept, so that each frame of a person warps the same picture: the look
follows every shape and expression, depends on neither, and costs nothing per frame.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_helpers.data.puppets.portraits import Portrait, circle, portrait
from fkd_helpers.faces.sprites import Sprite, make_sprite

CIRCLE = circle(60)
HAIR = np.array([
    [28, 24, 24], [52, 36, 28], [86, 58, 38], [120, 62, 34], [178, 138, 84], [216, 190, 140], [150, 148, 146],
    [222, 220, 214], [40, 44, 84], [150, 40, 60],
])  # fmt: skip
SKIN = np.array([[1.08, 1.06, 1.06], [1, 0.94, 0.86], [0.86, 0.76, 0.66], [0.68, 0.56, 0.47], [0.5, 0.4, 0.34]])
# half width and height of the top, how far the sides hang down, the hairline, all in face sides from the middle
STYLES = {
    "own": (0, 0, 0, 0), "bald": (0.57, 0.72, -0.3, -0.4), "short": (0.62, 0.78, -0.22, -0.56),
    "fringe": (0.66, 0.8, -0.05, -0.47), "bob": (0.8, 0.84, 0.42, -0.55), "long": (0.76, 0.86, 1.1, -0.6),
    "round": (1.0, 0.92, 0.2, -0.57), "cap": (0.66, 0.76, -0.34, -0.52),
}  # fmt: skip
BEARDS = ("", "", "", "stubble", "moustache", "goatee", "full")
GLASSES = ("", "", "", "round", "square")
# what is skin in the two portraits, in face sides from the middle of the keypoints
OUTLINES = {
    "astronaut": [(-42, -60), (-20, -50), (15, -46), (40, -42), (50, -30), (51, -5), (58, 8), (48, 14), (35, 45),
                  (33, 62), (10, 72), (-30, 65), (-42, 55), (-42, 30), (-47, 5), (-58, 0), (-48, -10), (-46, -30)],
    "admiral": [(-50, -55), (-20, -63), (20, -63), (52, -52), (62, -35), (60, 0), (50, 25), (40, 35), (36, 55),
                (24, 78), (8, 100), (-8, 100), (-25, 78), (-35, 55), (-40, 35), (-50, 25), (-60, 0), (-62, -35)],
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a puppet person looks like, whatever shape and expression the face takes."""

    skin: tuple[float, float, float]  # factors of red, green, blue
    hair: tuple[float, float, float]  # RGB
    style: str  # one of STYLES
    beard: str
    glasses: str
    make_up: float  # 0..1
    freckles: int
    clothes: float  # turn of their hue, radians
    room: int  # seed of the wall behind this person, and of where freckles and strands lie
    pose: tuple[float, float, float]  # how the head is usually held: roll, yaw, pitch in degrees


def draw_pose(rng: np.random.Generator) -> np.ndarray:
    """Draw roll, yaw and pitch in degrees, (3,)."""
    return np.clip(rng.normal(0, (8, 7, 5)), (-20, -16, -10), (20, 16, 10))


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a look; each of its parts is drawn by itself."""
    tone = rng.uniform(0, len(SKIN) - 1)
    skin = [np.interp(tone, range(len(SKIN)), channel) for channel in SKIN.T] * rng.normal(1, 0.02, 3)
    hair = np.clip(HAIR[rng.integers(len(HAIR))] * rng.normal(1, 0.04, 3), 10, 245)
    style, beard, glasses = (str(rng.choice(kinds)) for kinds in (list(STYLES), BEARDS, GLASSES))
    make_up, freckles = max(rng.uniform(-1, 1), 0), max(int(rng.integers(-60, 40)), 0)
    rest = float(rng.uniform(0, 2 * np.pi)), int(rng.integers(2**31)), tuple(draw_pose(rng).tolist())
    return Look(tuple(skin.tolist()), tuple(hair.tolist()), style, beard, glasses, make_up, freckles, *rest)


class Canvas:
    """The head of a flat portrait: colours (h, w, 3) and alpha (h, w) float32, keypoints (68, 2) in its pixels."""

    def __init__(self, face: Portrait, level: int, turned: bool):
        scale = face.zoom / 2**level
        middle, self.side = (face.keypoints.mean(0) + 0.5) * scale - 0.5, face.side * scale
        low, high = np.maximum(middle - 1.4 * self.side, 0).astype(int), (middle + 1.3 * self.side).astype(int)
        self.window = np.s_[low[1] : high[1], low[0] : high[0]]
        patch = face.levels[level][self.window].astype(np.float32)
        self.colours, self.alpha = patch[..., :3].copy(), patch[..., 3].copy()
        self.points, self.middle = (face.keypoints + 0.5) * scale - 0.5 - low, middle - low
        self.turn = np.array([-1 if turned else 1, 1])

    def place(self, shape) -> np.ndarray:
        """Return the pixels of points in face sides from the middle of the keypoints."""
        return self.middle + np.asarray(shape) * self.side * self.turn

    def mask(self, *polygons, holes=(), soft=0.012) -> np.ndarray:
        """Return polygons without their holes as a soft mask (h, w), 0..1."""
        drawn = np.zeros(self.alpha.shape, np.uint8)
        for shade, shapes in ((255, polygons), (0, holes)):
            for shape in shapes:
                cv2.fillPoly(drawn, [np.round(shape * 16).astype(np.int32)], shade, cv2.LINE_AA, shift=4)
        return cv2.GaussianBlur(drawn, (0, 0), max(soft * self.side, 0.5)).astype(np.float32) / 255

    def paint(self, colour, mask: np.ndarray) -> None:
        """Lay a colour, or a picture of colours (h, w, 3), over the portrait where the mask says."""
        left, top, width, height = cv2.boundingRect((mask > 0.004).astype(np.uint8))
        part = np.s_[top : top + height, left : left + width]
        colour = np.asarray(colour, np.float32)
        shown = self.colours[part]
        shown += ((colour[part] if colour.ndim == 3 else colour) - shown) * mask[part][..., None]


@functools.lru_cache(maxsize=64)
def dressed(name: str, mirrored: bool, level: int, look: Look) -> np.ndarray:
    """Return one level of a portrait, RGBA (h, w, 4) uint8, as this person wears it."""
    face = portrait(name, mirrored)
    canvas, rng = Canvas(face, level, mirrored), np.random.default_rng(look.room)
    points, mask, paint = canvas.points, canvas.mask, canvas.paint
    rows = np.arange(len(canvas.alpha), dtype=np.float32)[:, None]
    strands = cv2.resize(rng.normal(1, 0.16, (5, 70)).astype(np.float32), canvas.alpha.shape[::-1])[..., None]
    hair = np.clip(strands * (1.25 - 0.45 * rows / len(rows))[..., None] * np.float32(look.hair), 0, 255)
    eyes, brows = (points[36:42], points[42:48]), (points[17:22], points[22:27])
    mouth, lips = points[60:68], points[48:60]
    head = np.clip(1.8 * mask(canvas.place(np.array(OUTLINES[name]) / 100), soft=0.02), 0, 1)
    above = np.clip((float(canvas.middle[1]) + 0.42 * canvas.side - rows) / (0.04 * canvas.side), 0, 1)  # the chin
    own, cover = above * (1 - head), np.zeros_like(head)  # the hair or hat of the portrait, and a new one
    bright = cv2.transform(canvas.colours, np.full((1, 3), 1 / 3))[..., None]
    skin = head * (1 - mask(*eyes, mouth))
    canvas.colours *= 1 - skin[..., None] * (1 - np.float32(look.skin))
    tone = np.median(canvas.colours[skin > 0.9], axis=0)
    paint(np.clip(hair * (0.4 + bright / 160), 0, 255), own)
    spots = canvas.place(rng.uniform([-0.4, -0.2], [0.4, 0.12], (look.freckles, 2)))
    paint(tone * [0.72, 0.62, 0.55], 0.6 * mask(*(spot + 0.012 * canvas.side * CIRCLE[::10] for spot in spots), soft=0))
    for eye, brow in zip(eyes, brows, strict=True):
        lid = np.concatenate([eye[:4], 0.45 * brow[::-1] + 0.55 * eye[:4].mean(0)])
        paint(np.roll(tone, 1 + look.room % 2) * 0.7, 0.5 * look.make_up * mask(lid, soft=0.02))
        thick = canvas.side * np.array([0, 0.018])
        paint(hair * 0.7, 0.6 * mask(np.concatenate([brow - thick, (brow + thick)[::-1]])))
    paint(tone * [0.9, 0.35, 0.45], 0.7 * look.make_up * mask(lips, holes=(mouth,)))
    if look.beard:
        # from one side to the other over the upper lip: between jaw, nose and mouth
        share = np.array([0.5, 0.2, 0.5, 0.6, 0.5, 0.2, 0.5])[:, None]
        upper = points[[4, 4, 31, 33, 35, 12, 12]] * share + points[[48, 48, 49, 51, 53, 54, 54]] * (1 - share)
        parts = [np.concatenate([upper[1:6], points[54:47:-1]]), np.concatenate([points[6:11], lips[6:12]])]
        whole = np.concatenate([points[3:14], upper[::-1]])
        parts = {"moustache": parts[:1], "goatee": parts}.get(look.beard, [whole])
        paint(hair * 0.9, (0.35 if look.beard == "stubble" else 0.85) * mask(*parts, holes=(lips,), soft=0.02))
    if look.style != "own":
        width, height, end, line = STYLES[look.style]
        forehead = mask(canvas.place([0, -0.25] + CIRCLE[30:] * [0.54, 0.55]))
        paint(tone * (1.1 - 0.2 * rows / len(rows))[..., None] * np.ones_like(hair), forehead * own)
        head = np.maximum(head, forehead)
        half = np.array([(width * 0.86, end), (0.5, end), (0.52, -0.3), (0.42, line + 0.08), (0, line)])
        top = [0, -0.38] + CIRCLE[30:] * [width, height]  # from left over the head to the right
        cover = mask(canvas.place(np.concatenate([top, half, half[:4][::-1] * [-1, 1]])))
        paint({"bald": tone, "cap": hair[..., [2, 0, 1]]}.get(look.style, hair), cover)
        canvas.alpha = np.maximum(canvas.alpha * (1 - above * (1 - np.maximum(head, cover))), 255 * cover)
    picture = cv2.transform(face.levels[level], _turned_hue(look.clothes))
    shown = picture[canvas.window]
    paint(shown[..., :3], (1 - above) * (1 - np.maximum(head, cover)))
    shown[..., :3], shown[..., 3] = np.clip(canvas.colours, 0, 255), canvas.alpha
    return picture


def _turned_hue(angle: float) -> np.ndarray:
    """Return the matrix (4, 4) that turns the hue of RGBA by an angle in radians: about the axis of the grays."""
    matrix = np.eye(4)
    matrix[:3, :3] = cv2.Rodrigues(np.full(3, angle / 3**0.5))[0]
    return matrix


@functools.lru_cache(maxsize=64)
def glasses_of(look: Look) -> Sprite:
    """Return the glasses of a look, which stand still on a face while it moves."""
    picture, power = np.zeros((160, 400, 4), np.uint8), 2 if look.glasses == "round" else 6
    picture[..., :3] = np.roll(look.hair, 2)
    rims = np.zeros((160, 400), np.uint8)
    for x in (120, 280):
        ring = np.sign(CIRCLE) * np.abs(CIRCLE) ** (2 / power) * [64, 54] + [x, 80]
        cv2.polylines(rims, [ring.round().astype(np.int32)], True, 255, 9, cv2.LINE_AA)
    for line in ([(184, 70), (216, 70)], [(56, 66), (8, 58)], [(344, 66), (392, 58)]):
        cv2.polylines(rims, [np.array(line)], False, 255, 9, cv2.LINE_AA)
    picture[..., 3] = rims
    anchors = [{"pixel": [x, 82], "keypoints": range(start, start + 6)} for x, start in ((120, 36), (280, 42))]
    return make_sprite("glasses", picture, anchors)
