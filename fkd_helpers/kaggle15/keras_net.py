"""The second framework: Kaggle's CNN in Keras 3, trained in two phases on masked labels.

Keras runs on the PyTorch that is here; KERAS_BACKEND, set before this import, chooses another.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import POINTS_15
from fkd_helpers.kaggle15.data import ImageBatches, load_15, scores_15, training_parts
from fkd_helpers.kaggle15.tables import CORNER, SIDE
from fkd_helpers.train.checkpoint import locked
from fkd_helpers.train.run import HISTORY, PREDICTIONS, predictions_table, write_csv, write_metrics

BACKEND = os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "torch"
try:
    import keras
except (ImportError, ValueError) as error:
    advice = "pip install 'fkd-helpers[keras]', and a backend that is here: KERAS_BACKEND=torch"
    raise InputError(f"Keras cannot be imported with KERAS_BACKEND={BACKEND} ({error}): {advice}") from None
if BACKEND == "numpy":
    raise InputError("KERAS_BACKEND=numpy cannot train, expected KERAS_BACKEND=torch")

FIRST_PHASE = 250 / 400  # of the epochs, as published
SGD_RATE, WAIT = 1e-4, 1  # published: 1e-3, halved after ten epochs without progress, in a training ten times as long


@keras.saving.register_keras_serializable("fkd_helpers")
def masked_huber(target, predicted):
    """Return the mean Huber loss (bend at 1 pixel) of the coordinates (n, 30) that are there; 0 where none is."""
    there = keras.ops.logical_not(keras.ops.isnan(target))
    size = keras.ops.abs(predicted - keras.ops.where(there, target, predicted))
    each = keras.ops.where(size < 1, 0.5 * size**2, size - 0.5)
    return keras.ops.sum(each) / keras.ops.maximum(keras.ops.sum(keras.ops.cast(there, "float32")), 1.0)


def keras_cnn() -> keras.Model:
    """Build the course's CNN: images (n, 96, 96, 1) in 0..1 -> coordinates (n, 30) in pixels. 6.8 M weights."""
    # without weights: every image gets mean 0 and spread 1, the pale ones too
    standard = keras.layers.LayerNormalization((1, 2, 3), epsilon=1e-5, center=False, scale=False)
    layers = [keras.Input((SIDE, SIDE, 1)), standard]
    for channels, drop in ((32, 0.05), (64, 0.01), (128, 0.15)):
        # the larger of two stays the larger through a leaky ReLU: after the pooling it has a quarter of the work
        layers += [keras.layers.Conv2D(channels, 3), keras.layers.MaxPooling2D()]
        layers += [keras.layers.LeakyReLU(negative_slope=0.1), keras.layers.Dropout(drop)]
    layers.append(keras.layers.Flatten())
    for _ in range(2):
        layers += [keras.layers.Dense(500), keras.layers.LeakyReLU(negative_slope=0.1), keras.layers.Dropout(0.5)]
    middle = keras.initializers.Constant(SIDE / 2)  # the first answer lies in the middle of the image
    return keras.Sequential([*layers, keras.layers.Dense(2 * len(POINTS_15), bias_initializer=middle)])


def stream_of(batches: ImageBatches, epoch: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches without end, from an epoch on, as Keras wants them: (n, 96, 96, 1) and (n, 30)."""
    while True:
        for images, keypoints in batches(epoch):
            yield images.numpy().transpose(0, 2, 3, 1), keypoints.numpy().reshape(len(keypoints), -1)
        epoch += 1


def predict_keras(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return keypoints (n, 15, 2), pixels as Kaggle counts them, of images (n, 96, 96) uint8."""
    answers = model.predict(np.asarray(images, np.float32)[..., None] / 255, batch_size=256, verbose=0)
    return np.asarray(answers).reshape(len(images), -1, 2) + CORNER


def open_model(path: str | Path) -> keras.Model:
    """Open a Keras model from images (n, 96, 96, 1) to coordinates (n, 30), not compiled."""
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras and zipfile say what is wrong in many types
        raise InputError(f"{path}: not a Keras model ({' '.join(str(error).split())[:100]})") from None
    shapes, wanted = (model.input_shape[1:], model.output_shape[1:]), ((SIDE, SIDE, 1), (2 * len(POINTS_15),))
    if shapes != wanted:
        raise InputError(f"{path}: expected a model from {wanted[0]} to {wanted[1]}, got {shapes[0]} to {shapes[1]}")
    return model


def compile_phase(model: keras.Model, phase: int, *, rate: float, steps: int) -> None:
    """Give a model the optimiser of its first phase (Adam, falling to a tenth in `steps`) or second (SGD)."""
    if phase == 1:
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.1)
        optimiser = keras.optimizers.Adam(rate, global_clipnorm=5.0)
    else:
        optimiser = keras.optimizers.SGD(SGD_RATE, momentum=0.9, global_clipnorm=5.0)
    model.compile(optimiser, loss=masked_huber)


def train_keras(
    config: Kaggle15Config, folder: str | Path, *, faces: FaceSet | None = None, say: Callable[[str], None] = print
) -> dict:
    """Train the Keras CNN in two phases, resuming what `folder` holds; return the scores of the held-out rows.

    The first five eighths of the epochs are Adam's, the others SGD's, which lowers its rate on a plateau of the
    training loss. The folder then has keras_cnn.keras, `history.csv`, `metrics.json`, predictions and the record.
    """
    faces = load_15(config.data) if faces is None else faces
    learned, held_out, batches = training_parts(faces, config)
    folder = Path(folder)
    with locked(folder):
        model, rows = _fit(config, folder, batches, held_out, say)
    predicted = predict_keras(model, held_out.images)
    scores = scores_15(predicted, held_out)
    write_metrics(folder, rows, run=config.name)
    write_csv(folder / PREDICTIONS, predictions_table(held_out.names, predicted), float_format="%.2f")
    facts = {"framework": f"keras {keras.__version__} on {BACKEND}", "config": config, "scores": scores}
    facts |= {"weights": model.count_params(), "training_faces": len(learned), "steps": len(batches) * config.epochs}
    facts |= {"history": rows, "seconds_an_epoch": np.mean([row["seconds"] for row in rows])}
    records.write("kaggle15", config.name, folder=folder, data_digest=records.digest(faces), **facts)
    return scores


def _fit(config: Kaggle15Config, folder: Path, batches: ImageBatches, held_out: FaceSet, say: Callable) -> tuple:
    """Train from where the folder stands; return the model and a row per epoch, both written after every epoch."""
    steps, first = len(batches), max(round(config.epochs * FIRST_PHASE), 1)
    keras.utils.set_random_seed(config.seed)
    path, history = folder / "keras_cnn.keras", folder / HISTORY
    rows = pd.read_csv(history).to_dict("records") if path.exists() and history.exists() else []
    model = keras.models.load_model(path) if rows else keras_cnn()
    if config.start and not rows:
        model.set_weights(open_model(config.start).get_weights())
    started = time.perf_counter()

    def keep(epoch, logs):
        nonlocal started
        scores = scores_15(predict_keras(model, held_out.images), held_out)
        row = {"epoch": epoch + 1, "loss": float(logs["loss"]), "seconds": time.perf_counter() - started}
        rows.append(row | {key: scores[key] for key in ("rmse", "rmse_complete")})
        model.save(path)
        write_csv(history, pd.DataFrame(rows))
        say(f"epoch {epoch + 1}/{config.epochs}  loss {row['loss']:.4f}  RMSE {scores['rmse']:.3f}")
        started = time.perf_counter()

    for phase, begin, end in ((1, 0, first), (2, first, config.epochs)):
        done = len(rows)
        if done < end:
            if done <= begin:
                compile_phase(model, phase, rate=config.learning_rate, steps=steps * first)
            callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=keep)]
            callbacks += [keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=WAIT)] * (phase == 2)
            span = dict(steps_per_epoch=steps, initial_epoch=done, epochs=end)
            model.fit(stream_of(batches, done), **span, callbacks=callbacks, shuffle=False, verbose=0)
    return model, rows
