import numpy as np
import pytest
import torch

from fkd_helpers import data
from fkd_helpers.faces import boxes
from fkd_helpers.faces.pose import roll_of, upright_boxes
from fkd_helpers.train.augment import NONE, Augment, augment
from fkd_helpers.train.batches import FaceBatches

GEOMETRY = Augment(light=0, noise=0, blur=0, occlude=0)


@pytest.fixture(scope="module")
def faces():
    return data.load("puppets", n=24)


def dotted(size=200, n=16, seed=0):
    """Black crops with one bright blob each, and where it is: (n, size, size), (n, 68, 2)."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(80, 120, (n, 1, 2))
    y, x = np.mgrid[:size, :size]
    distance = (x - places[:, 0, 0, None, None]) ** 2 + (y - places[:, 0, 1, None, None]) ** 2
    return (255 * np.exp(-distance / 18)).astype(np.uint8), np.repeat(places, 68, 1).astype(np.float32)


def centre_of_light(images):
    light = images.astype(np.float64)
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    return np.stack([(light * x).sum((1, 2)), (light * y).sum((1, 2))], -1) / light.sum((1, 2))[:, None]


def test_pixels_and_keypoints_go_to_the_same_place():
    crops, keypoints = dotted()
    images, moved = augment(crops, keypoints, options=GEOMETRY, rng=np.random.default_rng(1))
    assert np.abs(centre_of_light(images) - moved[:, 0]).max() < 0.15
    assert np.abs(moved - keypoints).max() > 20  # something did move


def test_a_mirrored_face_keeps_its_right_eye_on_its_right(faces):
    batches = FaceBatches(faces)
    crops, keypoints = batches.crops, batches.keypoints.copy()
    keypoints[:, 3] = np.nan  # missing points stay missing
    only_flip = Augment(**{**vars(NONE), "flip": 1.0})
    _, plain = augment(crops, keypoints, options=NONE, rng=np.random.default_rng(0))
    _, mirrored = augment(crops, keypoints, options=only_flip, rng=np.random.default_rng(0))
    assert (plain[:, 36, 0] < plain[:, 45, 0]).all() and (mirrored[:, 36, 0] < mirrored[:, 45, 0]).all()
    assert np.allclose(mirrored[:, 36], [111, 0] + plain[:, 45] * [-1, 1], atol=1e-3)
    assert np.isnan(mirrored[:, 13]).all() and np.isnan(mirrored).sum() == 2 * len(crops)


def test_without_augmentation_training_sees_what_prediction_sees(faces):
    for upright in (False, True):
        batches = FaceBatches(faces, upright=upright)
        images, moved = augment(batches.crops, batches.keypoints, options=NONE, rng=np.random.default_rng(0))
        rolls = roll_of(faces.keypoints) if upright else np.zeros(len(faces))
        squares = boxes.square_of(upright_boxes(faces.keypoints)[:, :4] if upright else faces.boxes)
        assert np.abs(moved - boxes.to_crop(faces.keypoints, squares, 112, rolls)).max() < 1e-3
        assert np.abs(batches.to_images(moved) - faces.keypoints).max() < 1e-2
        assert not upright or np.abs(roll_of(moved)).max() < 0.02
        gray = [boxes.crop(np.asarray(image @ [0.299, 0.587, 0.114]).astype(np.uint8), square, 112, turn)
                for image, square, turn in zip(faces.images, squares, rolls, strict=True)]  # fmt: skip
        assert np.abs(images.astype(float) - gray).mean() < 6  # sampled twice against once, of 255


def test_an_epoch_is_the_same_whenever_it_is_asked_for(faces):
    batches = FaceBatches(faces, batch_size=8, seed=3)
    first, again, other = list(batches(2)), list(batches(2)), list(batches(3))
    assert len(first) == len(batches) == 3
    for (images, keypoints), (same_images, same_keypoints) in zip(first, again, strict=True):
        assert torch.equal(images, same_images) and torch.equal(keypoints, same_keypoints)
    assert not torch.equal(first[0][0], other[0][0])
    assert first[0][0].shape == (8, 1, 112, 112) and 0 <= first[0][0].min() and first[0][0].max() <= 1
