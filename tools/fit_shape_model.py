"""Fit the puppets' shape model from the real 68-point set and write `fkd_helpers/assets/shape_model.npz`.

    FKD_DATA_DIR=... python tools/fit_shape_model.py [OUT.npz]

Only keypoints are read. Each face is taken as a weak-perspective picture of one mean head in 3-D plus its own
deviation: cameras and mean head are fitted in turn, which gives every point a depth and takes pose out of the
deviations. What the expression knobs can do is taken out as well, so that the modes that remain tell who it is.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from fkd_helpers import data
from fkd_helpers.data.puppets import shapes

MODES, ROUNDS = 12, 60
MAX_YAW = np.radians(25)  # faces turned further show too little of one side to say anything about it
NOSE_DEPTH = [0.02, 0.06, 0.1, 0.14, 0.04, 0.06, 0.07, 0.06, 0.04]  # before the rest of the face, a first guess


def fit_mean(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the mean head (68, 3), symmetric, z towards the camera, to centred faces (n, 68, 2).

    Returns it with the cameras (n, 2, 3): scale times the first two rows of a rotation.
    """
    flat = (faces / np.ptp(faces, axis=1).max(1)[:, None, None]).mean(0)
    head = np.column_stack([flat, -2 * flat[:, 0] ** 2])  # a half cylinder
    head[27:36, 2] += NOSE_DEPTH
    for _ in range(ROUNDS):
        head -= head.mean(0)
        u, s, vt = np.linalg.svd(np.einsum("nij,ki->njk", faces, np.linalg.pinv(head)), full_matrices=False)
        cameras = s.mean(1)[:, None, None] * u @ vt  # the nearest weak-perspective ones
        # least squares for the head given all cameras; each face counts alike, whatever its size in pixels
        weight = 1 / np.linalg.norm(cameras, axis=(1, 2)) ** 2
        normal = np.einsum("nij,nik,n->jk", cameras, cameras, weight)
        right = np.einsum("nij,npi,n->pj", cameras, faces, weight)
        head = np.linalg.solve(normal, right.T).T
        head = (head + head[shapes.MIRROR] * [-1, 1, 1]) / 2
        head /= np.ptp(head[:, :2], axis=0).max()
    return head, cameras


def fit_modes(faces: np.ndarray, head: np.ndarray, cameras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the principal modes (MODES, 68, 2) of unit length and their spreads (standard deviations, face sides)."""
    scale = np.linalg.norm(cameras, axis=(1, 2)) / np.sqrt(2)
    keep = np.arcsin(np.clip(np.abs(cameras[:, 0, 2]) / scale, 0, 1)) < MAX_YAW
    left = faces - np.einsum("nij,pj->npi", cameras, head)
    flat = np.einsum("nij,npj->npi", np.linalg.inv(cameras[:, :, :2]), left)[keep].reshape(keep.sum(), -1)
    knobs = shapes.knob_fields().copy()
    knobs[shapes.KNOBS.index("eye_close"), shapes.UPPER_LIDS, 1] = 0.04  # lids never count as identity
    taken = np.concatenate([similarities(head), knobs.reshape(len(knobs), -1)])
    basis = np.linalg.qr(taken.T)[0]
    _, s, vt = np.linalg.svd(flat - flat @ basis @ basis.T, full_matrices=False)
    # the sign of a mode is arbitrary: make its largest entry positive
    modes = vt[:MODES] * np.sign(np.take_along_axis(vt[:MODES], np.abs(vt[:MODES]).argmax(1)[:, None], 1))
    print(f"{keep.sum() // 2} faces turned less than {np.degrees(MAX_YAW):.0f} degrees; "
          f"{(s[:MODES] ** 2).sum() / (s**2).sum():.1%} of the remaining spread in {MODES} modes")  # fmt: skip
    return modes.reshape(MODES, 68, 2), s[:MODES] / np.sqrt(len(flat))


def similarities(head: np.ndarray) -> np.ndarray:
    """Return the directions (6, 136) of shift, scale, turn, and of a small yaw and pitch."""
    x, y, z = head.T
    zero, one = np.zeros(68), np.ones(68)
    pairs = [(one, zero), (zero, one), (x, y), (-y, x), (z, zero), (zero, z)]
    return np.stack([np.column_stack(pair).ravel() for pair in pairs])


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else shapes.SHAPE_MODEL
    keypoints = data.load("ytf").part("training").keypoints.astype(np.float64)
    digest = hashlib.sha256(np.ascontiguousarray(keypoints, np.float32).tobytes()).hexdigest()
    # every face also as its mirror image: mean and modes come out symmetric or antisymmetric by themselves
    faces = np.concatenate([keypoints, keypoints[:, shapes.MIRROR] * [-1, 1]])
    faces -= faces.mean(1, keepdims=True)
    head, cameras = fit_mean(faces)
    modes, spreads = fit_modes(faces, head, cameras)
    source = f"ytf training part, {len(keypoints)} faces, sha256 of keypoints {digest[:16]}"
    arrays = {"mean": head, "modes": modes, "spreads": spreads}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    np.savez(out, **arrays, faces=len(keypoints), version=1, source=source)
    print(f"{out.name}: {out.stat().st_size / 1024:.1f} KB, spreads {np.round(spreads, 4).tolist()}")
