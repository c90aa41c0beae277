"""The fifteen published runs of a classic course solution: what they were, and what was reported of them."""

from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.train.batches import FRAME_UNIT

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


def plain_recipe(seed: int) -> dict:
    """Return what the classic course and the small grid have in common: no decay, augmentation, average or clipping."""
    none = dict.fromkeys(("weight_decay", "augment", "average", "clip"), 0.0)
    return dict(split="person", unit=FRAME_UNIT, schedule="constant", seed=seed, **none)


def published_grid(data: str = "ytf", *, seed: int = 0) -> list[KeypointsConfig]:
    """Return our copies of the fifteen published runs: whole frames, no augmentation but the shifted square.

    They are split by person, the originals by folder, so that one training is scored on known people and on new ones;
    a tenth of the training people is the validation part. Mixed precision halves their hours on some processors.
    """
    tail, recipe = f"-seed{seed}" if seed else "", plain_recipe(seed) | {"labels": "given", "momentum": 0.0}
    keys = ("batch_size", "loss", "optimiser", "learning_rate", "epochs")
    return [
        KeypointsConfig(
            name=f"published_{row:02d}{tail}", data=data, net=NETS[net], view="frame", validation=0.1,
            precision="bf16-mixed", **recipe, **dict(zip(keys, values, strict=False)),
        )
        for row, (net, *values) in enumerate(PUBLISHED, 1)
    ]  # fmt: skip
