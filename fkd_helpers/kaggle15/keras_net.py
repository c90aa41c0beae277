"""The second framework: Kaggle's CNN in Keras 3, on PyTorch unless KERAS_BACKEND, set before this import, says else."""

import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError
from fkd_helpers.kaggle15.data import load_15, scores_15, training_parts
from fkd_helpers.kaggle15.tables import COLUMNS, CORNER, SIDE
from fkd_helpers.train.run import HISTORY, PREDICTIONS, predictions_table, write_csv

BACKEND = os.environ.setdefault("KERAS_BACKEND", "torch")
try:
    import keras
except (ImportError, ValueError) as error:
    advice = "pip install 'fkd-helpers[keras]', and a backend that is here: KERAS_BACKEND=torch"
    raise InputError(f"Keras cannot be imported with KERAS_BACKEND={BACKEND} ({error}): {advice}") from None

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
    standard = keras.layers.LayerNormalization((1, 2, 3), epsilon=1e-5, center=False, scale=False)  # of each image
    layers = [keras.Input((SIDE, SIDE, 1)), standard]
    for channels, drop in ((32, 0.05), (64, 0.01), (128, 0.15)):
        # the larger of two stays the larger through a leaky ReLU: after the pooling it has a quarter of the work
        layers += [keras.layers.Conv2D(channels, 3), keras.layers.MaxPooling2D()]
        layers += [keras.layers.LeakyReLU(negative_slope=0.1), keras.layers.Dropout(drop)]
    layers.append(keras.layers.Flatten())
    for _ in range(2):
        layers += [keras.layers.Dense(500), keras.layers.LeakyReLU(negative_slope=0.1), keras.layers.Dropout(0.5)]
    middle = keras.initializers.Constant(SIDE / 2)  # the first answer lies in the middle of the image
    return keras.Sequential([*layers, keras.layers.Dense(len(COLUMNS), bias_initializer=middle)])


def predict_keras(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return keypoints (n, 15, 2), pixels as Kaggle counts them, of images (n, 96, 96) uint8."""
    answers = model.predict(np.asarray(images, np.float32)[..., None] / 255, batch_size=256, verbose=0)
    return np.asarray(answers).reshape(len(images), -1, 2) + CORNER


def predictor(path: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from images to keypoints of a .keras file, as `predict_keras` gives them."""
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras and zipfile say what is wrong in many types
        raise InputError(f"{path}: not a Keras model ({' '.join(str(error).split())[:100]})") from None
    return lambda images: predict_keras(model, images)


def train_keras(config: Kaggle15Config, folder: str | Path, *, say: Callable[[str], None] = print) -> dict:
    """Train the Keras CNN by Adam, then SGD, resuming what `folder` holds; return the scores of the held-out rows."""
    faces, folder, started = load_15(config.data), Path(folder), time.perf_counter()
    learned, held_out, batches = training_parts(faces, config)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    path, history = folder / "keras_cnn.keras", folder / HISTORY
    done = len(pd.read_csv(history)) if history.exists() else 0
    model = keras.models.load_model(path) if done else keras_cnn()

    def stream(epoch):  # without end, as Keras wants them: (n, 96, 96, 1) and (n, 30)
        for images, keypoints in (batch for each in count(epoch) for batch in batches(each)):
            yield images.numpy().transpose(0, 2, 3, 1), keypoints.numpy().reshape(len(keypoints), -1)

    def score(epoch, logs):
        scores = scores_15(predict_keras(model, held_out.images), held_out)
        logs |= {key: scores[key] for key in ("rmse", "rmse_complete")}  # the next callbacks get them, too
        say(f"epoch {epoch + 1}/{config.epochs}  loss {logs['loss']:.4f}  RMSE {scores['rmse']:.3f}")

    steps, first = len(batches), max(round(config.epochs * FIRST_PHASE), 1)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps * first, alpha=0.1)
    adam = keras.optimizers.Adam(rate, global_clipnorm=5.0)
    sgd = keras.optimizers.SGD(SGD_RATE, momentum=0.9, global_clipnorm=5.0)
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=score), keras.callbacks.ModelCheckpoint(path)]
    callbacks += [keras.callbacks.CSVLogger(history, append=True)]
    for begin, end, optimiser in ((0, first, adam), (first, config.epochs, sgd)):
        if done <= begin:  # else the file has this phase's optimiser and its state
            model.compile(optimiser, loss=masked_huber)
        start, options = max(done, begin), dict(steps_per_epoch=steps, epochs=end, shuffle=False, verbose=0)
        model.fit(stream(start), initial_epoch=start, callbacks=callbacks, **options)
        callbacks += [keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=WAIT)]  # of the second phase
    predicted = predict_keras(model, held_out.images)
    scores = scores_15(predicted, held_out)
    write_csv(folder / PREDICTIONS, predictions_table(held_out.names, predicted), float_format="%.2f")
    records.write(
        "kaggle15", config.name, folder=folder, framework=f"keras {keras.__version__} on {BACKEND}", config=config,
        scores=scores, weights=model.count_params(), training_faces=len(learned), steps=steps * config.epochs,
        history=pd.read_csv(history).eval("epoch = epoch + 1").to_dict("records"), data_digest=records.digest(faces),
        seconds=time.perf_counter() - started,
    )  # fmt: skip
    return scores
