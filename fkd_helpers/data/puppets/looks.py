"""Looks of puppet people: tones, hair, glasses, beard, make-up, freckles; drawn by us onto a portrait.

A look is painted once onto the flat portrait and kept, so that each frame of a person warps the same picture: the look
follows every shape and expression, depends on neither, and costs nothing per frame.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_helpers.data.puppets.portraits import Portrait, circle, portrait
from fkd_helpers.data.puppets.scenery import soft_mask
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


@functools.lru_cache(maxsize=64)
def dressed(name: str, mirrored: bool, level: int, look: Look) -> np.ndarray:
    """Return one level of a portrait, RGBA (h, w, 4) uint8, as this person wears it."""
    face = portrait(name, mirrored)
    head = Head(face, level, mirrored, look)
    head.tint()
    head.make_up()
    if look.beard:
        head.grow_beard()
    cover = head.cover() if look.style != "own" else np.zeros_like(head.outline)
    hue = np.eye(4)
    hue[:3, :3] = cv2.Rodrigues(np.full(3, look.clothes / 3**0.5))[0]  # about the axis of the grays
    picture = cv2.transform(face.levels[level], hue)
    shown = picture[head.window]
    head.paint(shown[..., :3], (1 - head.above) * (1 - np.maximum(head.outline, cover)))
    shown[..., :3], shown[..., 3] = np.clip(head.colours, 0, 255), head.alpha
    return picture


class Head:
    """The head of a flat portrait: colours (h, w, 3) and alpha (h, w) float32, keypoints (68, 2) in its pixels."""

    def __init__(self, face: Portrait, level: int, turned: bool, look: Look):
        scale = face.zoom / 2**level
        middle, self.side = (face.keypoints.mean(0) + 0.5) * scale - 0.5, face.side * scale
        low, high = np.maximum(middle - 1.4 * self.side, 0).astype(int), (middle + 1.3 * self.side).astype(int)
        self.window = np.s_[low[1] : high[1], low[0] : high[0]]
        patch = face.levels[level][self.window].astype(np.float32)
        self.colours, self.alpha = patch[..., :3].copy(), patch[..., 3].copy()
        self.points, self.middle = (face.keypoints + 0.5) * scale - 0.5 - low, middle - low
        self.turn = np.array([-1 if turned else 1, 1])
        self.look, self.rng = look, np.random.default_rng(look.room)
        rows = np.arange(len(self.alpha), dtype=np.float32)[:, None]
        self.down = rows / len(rows)
        strands = cv2.resize(self.rng.normal(1, 0.16, (5, 70)).astype(np.float32), self.alpha.shape[::-1])[..., None]
        self.hair = np.clip(strands * (1.25 - 0.45 * self.down)[..., None] * np.float32(look.hair), 0, 255)
        self.above = np.clip((float(self.middle[1]) + 0.42 * self.side - rows) / (0.04 * self.side), 0, 1)  # the chin
        self.outline = np.clip(1.8 * self.mask(self.place(np.array(OUTLINES[face.name]) / 100), soft=0.02), 0, 1)
        self.own = self.above * (1 - self.outline)  # the hair or hat of the portrait

    def place(self, shape) -> np.ndarray:
        """Return the pixels of points in face sides from the middle of the keypoints."""
        return self.middle + np.asarray(shape) * self.side * self.turn

    def mask(self, *polygons, holes=(), soft=0.012) -> np.ndarray:
        """Return polygons without their holes as a soft mask (h, w), 0..1."""
        return soft_mask(self.alpha.shape, polygons, max(soft * self.side, 0.5), holes) / 255

    def paint(self, colour, mask: np.ndarray) -> None:
        """Lay a colour, or a picture of colours (h, w, 3), over the portrait where the mask says."""
        left, top, width, height = cv2.boundingRect((mask > 0.004).astype(np.uint8))
        part = np.s_[top : top + height, left : left + width]
        colour = np.asarray(colour, np.float32)
        shown = self.colours[part]
        shown += ((colour[part] if colour.ndim == 3 else colour) - shown) * mask[part][..., None]

    def tint(self) -> None:
        """Give skin and hair their tones, and the cheeks their freckles."""
        bright = cv2.transform(self.colours, np.full((1, 3), 1 / 3))[..., None]
        skin = self.outline * (1 - self.mask(self.points[36:42], self.points[42:48], self.points[60:68]))
        self.colours *= 1 - skin[..., None] * (1 - np.float32(self.look.skin))
        self.tone = np.median(self.colours[skin > 0.9], axis=0)
        self.paint(np.clip(self.hair * (0.4 + bright / 160), 0, 255), self.own)
        spots = self.place(self.rng.uniform([-0.4, -0.2], [0.4, 0.12], (self.look.freckles, 2)))
        freckles = self.mask(*(spot + 0.012 * self.side * CIRCLE[::10] for spot in spots), soft=0)
        self.paint(self.tone * [0.72, 0.62, 0.55], 0.6 * freckles)

    def make_up(self) -> None:
        """Paint lids, brows and lips."""
        for start, brow in ((36, self.points[17:22]), (42, self.points[22:27])):
            eye = self.points[start : start + 4]
            lid = np.concatenate([eye, 0.45 * brow[::-1] + 0.55 * eye.mean(0)])
            shade = np.roll(self.tone, 1 + self.look.room % 2) * 0.7
            self.paint(shade, 0.5 * self.look.make_up * self.mask(lid, soft=0.02))
            thick = self.side * np.array([0, 0.018])
            self.paint(self.hair * 0.7, 0.6 * self.mask(np.concatenate([brow - thick, (brow + thick)[::-1]])))
        lips = self.mask(self.points[48:60], holes=(self.points[60:68],))
        self.paint(self.tone * [0.9, 0.35, 0.45], 0.7 * self.look.make_up * lips)

    def grow_beard(self) -> None:
        """Paint the beard, from one side to the other over the upper lip: between jaw, nose and mouth."""
        points, share = self.points, np.array([0.5, 0.2, 0.5, 0.6, 0.5, 0.2, 0.5])[:, None]
        upper = points[[4, 4, 31, 33, 35, 12, 12]] * share + points[[48, 48, 49, 51, 53, 54, 54]] * (1 - share)
        parts = [np.concatenate([upper[1:6], points[54:47:-1]]), np.concatenate([points[6:11], points[54:60]])]
        whole = np.concatenate([points[3:14], upper[::-1]])
        parts = {"moustache": parts[:1], "goatee": parts}.get(self.look.beard, [whole])
        strength = 0.35 if self.look.beard == "stubble" else 0.85
        self.paint(self.hair * 0.9, strength * self.mask(*parts, holes=(points[48:60],), soft=0.02))

    def cover(self) -> np.ndarray:
        """Paint skin over the own hair, then the hair, hat or bald head of the look; return where it lies (h, w)."""
        width, height, end, line = STYLES[self.look.style]
        forehead = self.mask(self.place([0, -0.25] + CIRCLE[30:] * [0.54, 0.55]))
        skin = self.tone * (1.1 - 0.2 * self.down)[..., None] * np.ones_like(self.hair)
        self.paint(skin, forehead * self.own)
        self.outline = np.maximum(self.outline, forehead)
        half = np.array([(width * 0.86, end), (0.5, end), (0.52, -0.3), (0.42, line + 0.08), (0, line)])
        top = [0, -0.38] + CIRCLE[30:] * [width, height]  # from left over the head to the right
        cover = self.mask(self.place(np.concatenate([top, half, half[:4][::-1] * [-1, 1]])))
        self.paint({"bald": self.tone, "cap": self.hair[..., [2, 0, 1]]}.get(self.look.style, self.hair), cover)
        kept = 1 - self.above * (1 - np.maximum(self.outline, cover))
        self.alpha = np.maximum(self.alpha * kept, 255 * cover)
        return cover


@functools.lru_cache(maxsize=64)
def glasses_of(look: Look) -> Sprite:
    """Return the glasses of a look, which stand still on a face while it moves."""
    rims, power = np.zeros((160, 400), np.uint8), 2 if look.glasses == "round" else 6
    for x in (120, 280):
        ring = np.sign(CIRCLE) * np.abs(CIRCLE) ** (2 / power) * [64, 54] + [x, 80]
        cv2.polylines(rims, [ring.round().astype(np.int32)], True, 255, 9, cv2.LINE_AA)
    for line in ([(184, 70), (216, 70)], [(56, 66), (8, 58)], [(344, 66), (392, 58)]):
        cv2.polylines(rims, [np.array(line)], False, 255, 9, cv2.LINE_AA)
    colour = np.broadcast_to(np.roll(look.hair, 2).astype(np.uint8), (160, 400, 3))
    anchors = [{"pixel": [x, 82], "keypoints": range(start, start + 6)} for x, start in ((120, 36), (280, 42))]
    return make_sprite("glasses", np.dstack([colour, rims]), anchors)
