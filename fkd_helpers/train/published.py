"""The fifteen published runs of the classic course, as configs of ours. Built in notebook 02.

Source: a published solution of the classic course, 68 points on 224-pixel frames, trained on one RTX 2060. It gives no
test score for a run; its final training loss is the mean over the last ten batches of the last epoch.
"""

from fkd_helpers.core.config import RunConfig
from fkd_helpers.train.classic import UNIT

# net, batch size, loss, optimiser, learning rate, epochs, final training loss, seconds (RTX 2060).
PUBLISHED = (
    ("A", 10, "mse", "adam", 1e-3, 1, 0.1812, 21.4),
    ("A", 20, "mse", "adam", 1e-3, 1, 0.2386, 20.2),
    ("A", 50, "mse", "adam", 1e-3, 1, 0.1832, 18.2),
    ("A", 50, "mse", "adam", 1e-3, 10, 0.1157, 189.4),
    ("A", 50, "l1", "adam", 1e-3, 1, 0.3383, 18.0),
    ("A", 50, "l1", "adam", 1e-3, 10, 0.2487, 176.8),
    ("A", 50, "smooth_l1", "adam", 1e-3, 1, 0.1004, 21.6),
    ("A", 50, "smooth_l1", "adam", 1e-3, 10, 0.0480, 174.5),
    ("A", 10, "mse", "sgd", 1e-3, 1, 0.6545, 20.4),
    ("A", 10, "mse", "sgd", 1e-2, 1, 0.5305, 20.1),
    ("A", 50, "mse", "sgd", 1e-2, 1, 0.6179, 18.3),
    ("A", 50, "mse", "sgd", 1e-2, 10, 0.2122, 174.3),
    ("A", 50, "smooth_l1", "adam", 1e-3, 50, 0.2545, 915.4),
    ("B", 50, "smooth_l1", "adam", 1e-3, 50, 0.0119, 1024.4),
    ("B", 50, "smooth_l1", "adam", 1e-3, 500, 0.0081, 10691.3),
)
NETS = {"A": "course_cnn", "B": "course_cnn_large"}


def published_grid(data: str = "ytf", *, seed: int = 0) -> list[RunConfig]:
    """Return the configs of the fifteen published runs: whole frames, no augmentation but the shifted square.

    Split by person, where theirs were by folder: one training then gives the score on known people and on new ones.
    """
    tail = f"-seed{seed}" if seed else ""
    return [
        RunConfig(
            name=f"published_{row:02d}{tail}", data=data, split="person", labels="given", net=NETS[net], view="frame",
            unit=UNIT, loss=loss, optimiser=optimiser, learning_rate=rate, momentum=0.0, weight_decay=0.0,
            schedule="constant", epochs=epochs, batch_size=batch, augment=0.0, average=0.0, clip=0.0, seed=seed,
        )
        for row, (net, batch, loss, optimiser, rate, epochs, *_) in enumerate(PUBLISHED, 1)
    ]  # fmt: skip


def published_numbers(name: str) -> tuple[float, float] | None:
    """Return final training loss and seconds of the published run that a config of ours is named after.

    >>> published_numbers("published_03")
    (0.1832, 18.2)
    """
    rows = {f"published_{row:02d}": run[-2:] for row, run in enumerate(PUBLISHED, 1)}
    return rows.get(name.partition("-")[0])
