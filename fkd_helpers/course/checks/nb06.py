"""Self-checks of the exercises of notebook 06."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run
from fkd_helpers.data.puppets.shapes import face_shape


@exercise("06")
def blend(function: Callable) -> Verdict:
    """Check exercise 1: a part of a frame (h, w, 3) with a sprite (h, w, 4) mixed in by its alpha."""
    part = np.array([[[200, 100, 0], [10, 20, 30]], [[255, 255, 255], [0, 0, 0]]], np.uint8)
    colour = np.array([[[0, 50, 250], [90, 80, 70]], [[0, 0, 0], [240, 240, 240]]], np.uint8)

    def sprite(alpha):
        return np.dstack([colour, np.broadcast_to(np.uint8(alpha), (2, 2))])

    own = np.array([[0, 255], [51, 204]])
    share = own[..., None] / 255
    return run(function, [
        Case("alpha 255 everywhere", (part, sprite(255)), colour, 0.6),
        Case("alpha 0 everywhere", (part, sprite(0)), part, 0.6),
        Case("alpha 51, a fifth", (part, sprite(51)), 0.2 * colour + 0.8 * part, 1.01),
        Case("another alpha at each pixel", (part, sprite(own)), share * colour + (1 - share) * part, 1.01),
    ])  # fmt: skip


@exercise("06")
def two_point_map(function: Callable) -> Verdict:
    """Check exercise 2: the similarity (2, 3) that takes two points (2, 2) to two others."""
    source = np.array([[10.0, 20.0], [50.0, 20.0]])
    slanted = np.array([[3.0, -4.0], [8.0, 9.0]])
    full = np.array([[0.6, -0.8, 7], [0.8, 0.6, -3]]) * [[2, 2, 1]]
    return run(function, [
        Case("only shifted, by (3, 5)", (source, source + np.array([3, 5])), [[1, 0, 3], [0, 1, 5]]),
        Case("twice as large", (source, source * 2), [[2, 0, 0], [0, 2, 0]]),
        Case("a quarter turn, right becomes down", (source, source @ [[0, 1], [-1, 0]]), [[0, -1, 0], [1, 0, 0]]),
        Case("turned, zoomed and shifted", (slanted, slanted @ full[:, :2].T + full[:, 2]), full),
    ])  # fmt: skip


def read_at(function: Callable, places: np.ndarray) -> Callable:
    """Return a function whose answer is looked at in a few pixels only, (n, 2) as (x, y): edges may differ a little."""
    columns, rows = np.round(places).astype(int).T

    def looked_at(*arguments):
        answer = function(*arguments)
        return answer if is_stub(answer) else np.asarray(answer)[rows, columns]

    return looked_at


@exercise("06")
def lip_colour(function: Callable) -> Verdict:
    """Check exercise 3: a colour mixed into the lips; looked at in lips, open mouth, chin and corner."""
    keypoints = face_shape([], {"mouth_open": 0.7}) * 240 + [160, 140]
    frame = np.full((300, 320, 3), (180, 140, 120), np.uint8)
    upper, lower, mouth = (keypoints[[a, b]].mean(0) for a, b in ((51, 62), (57, 66), (62, 66)))
    places = np.stack([upper, lower, mouth, keypoints[8] - [0, 12], [3, 3]])
    red = np.array([220, 20, 60])

    def painted(strength):
        lips = strength * red + (1 - strength) * frame[0, 0]
        return np.stack([lips, lips, *np.repeat(frame[:1, 0], 3, 0)])

    where = "read at upper lip, lower lip, open mouth, chin, corner of the frame"
    return run(read_at(function, places), [
        Case(f"strength {strength}, {where}", (frame, keypoints, red, strength), painted(strength), 1.01)
        for strength in (0.0, 0.4, 1.0)
    ])  # fmt: skip


@exercise("06")
def other_face(function: Callable) -> Verdict:
    """Check exercise 4: another's face on this one; looked at in nose, cheeks, brow and around."""
    here = face_shape([], {}) * 110 + [150, 120]
    frame = np.full((240, 300, 3), 90, np.uint8)
    y, x = np.mgrid[:260, :280]
    other = np.stack([x * 0.9, y * 0.9, (x + y) * 0.4], -1).round().astype(np.uint8)  # the colour says the place
    turn = np.radians(20)
    maps = {
        "a face of the same size, elsewhere": np.array([[1, 0, -20.0], [0, 1, 15]]),
        "a larger face, tilted by 20 degrees": np.array(
            [[np.cos(turn), -np.sin(turn), 10], [np.sin(turn), np.cos(turn), -60]]) * [[1.25, 1.25, 1]],
    }  # fmt: skip
    inside = np.stack([here[30], here[[2, 31]].mean(0), here[[14, 35]].mean(0), here[[21, 27]].mean(0)])
    corner = [here[:, 0].min() + 3, here[:, 1].max() - 3]  # in the box of the face, but outside its hull
    cases = []
    for what, there in maps.items():
        seen = np.round(inside) @ there[:, :2].T + there[:, 2]
        colours = np.column_stack([seen * 0.9, seen.sum(1) * 0.4])
        wanted = np.concatenate([colours, np.full((2, 3), 90)])
        there_points = here @ there[:, :2].T + there[:, 2]
        cases.append(Case(f"{what}, read at nose, cheeks, brow, beside the chin, corner of the frame",
                          (frame, here, other, there_points), wanted, 2.5))  # fmt: skip
    return run(read_at(function, np.array([*inside, corner, [3, 3]])), cases)
