"""Numbers of each epoch for a logger of Lightning: a CSV file, or Weights & Biases. Built in notebook 02."""

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.train.distributed import started_as

PROJECT = "facial-keypoints"


@contextlib.contextmanager
def logged(config: RunConfig, folder: str | Path) -> Iterator[list[Callable[[dict], None]]]:
    """Give the callbacks that send each epoch's row to the logger that `config.log` names; [] for "".

    "csv" writes `folder/log/version_N/metrics.csv`, a version for each time the run is started or continued. "wandb"
    sends to Weights & Biases, project $WANDB_PROJECT or "facial-keypoints", if $WANDB_API_KEY or $WANDB_MODE=online is
    set; if not it keeps the run in `folder/wandb`, for `wandb sync` later. Nobody is asked for a key.

    Raises:
        InputError: "wandb" without its package.
    """
    if not config.log or started_as()[0]:  # one of several that train together logs
        yield []
        return
    logger = _wandb(config, folder) if config.log == "wandb" else _csv(folder)
    logger.log_hyperparams(dataclasses.asdict(config))

    def send(row):
        logger.log_metrics({key: value for key, value in row.items() if key != "losses"}, step=row["epoch"])

    status = "failed"  # or interrupted
    try:
        yield [send]
        status = "success"
    finally:
        logger.finalize(status)
        if config.log == "wandb":
            logger.experiment.finish(exit_code=int(status == "failed"))


def _csv(folder):
    from lightning.fabric.loggers import CSVLogger

    class Plain(CSVLogger):
        def log_hyperparams(self, *_, **__):  # the record has them
            pass

    return Plain(str(folder), name="log", flush_logs_every_n_steps=1)


def check_log(config: RunConfig) -> None:
    """Make sure that the logger of a config is here.

    Raises:
        InputError: "wandb" without its package.
    """
    if config.log == "wandb" and importlib.util.find_spec("wandb") is None:
        raise InputError("log 'wandb': the package wandb is not here: pip install 'fkd-helpers[wandb]', or --log csv")


def _wandb(config, folder):
    check_log(config)
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    Path(folder).mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
    return WandbLogger(
        name=config.name, save_dir=str(folder), project=os.environ.get("WANDB_PROJECT") or PROJECT, mode=mode,
        settings=wandb.Settings(silent=True),
    )  # fmt: skip
