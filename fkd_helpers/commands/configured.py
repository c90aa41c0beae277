"""What every training subcommand takes: a config, a folder, and each field of the config as an option."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from fkd_helpers.core.config import TASKS, TrainConfig, as_yaml, load_config
from fkd_helpers.core.errors import InputError


def add_training_options(parser: argparse.ArgumentParser, *, config: str, task: str) -> None:
    """Declare them; config: the name of the one that is taken where none is given."""
    parser.set_defaults(task=task)
    parser.add_argument("--config", default=config, help=f"YAML file, or the name of one of ours ({config})")
    parser.add_argument("--out", metavar="DIR", help="checkpoints, weights and record (default: runs/NAME)")
    parser.add_argument("--print-config", action="store_true", help="print the whole configuration and stop")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes that train together here (1)")
    for field in dataclasses.fields(TASKS[task]):
        words = f"{field.metadata['help']} ({field.default!r} where the config does not say)".strip()
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, help=words.replace("%", "%%"))


def to_train(options: argparse.Namespace) -> tuple[TrainConfig, Path] | None:
    """Return config and folder of the training that the options ask for; None when nothing is left to do here.

    Raises:
        InputError: as `config_of` and `trained_together`.
    """
    config = config_of(options)
    if config is None:
        return None
    folder = Path(options.out or Path("runs") / config.name)
    return None if trained_together(options, folder) else (config, folder)


def config_of(options: argparse.Namespace) -> TrainConfig | None:
    """Return the config that the options ask for; None when it was to be printed, and was.

    Raises:
        InputError: no such config, or a value that it does not allow.
    """
    chosen = {field.name: getattr(options, field.name) for field in dataclasses.fields(TASKS[options.task])}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    config = load_config(options.config, task=options.task, **chosen)
    if options.print_config:
        print(as_yaml(config), end="")
        return None
    return config


def trained_together(options: argparse.Namespace, folder: Path) -> bool:
    """Start the processes that the options ask for and wait for them; False in a process that is to train itself.

    Raises:
        InputError: more processes than there are devices, or one of them was lost.
    """
    if options.devices < 1:
        raise InputError(f"--devices: expected at least 1, got {options.devices}")
    from fkd_helpers.train.checkpoint import history_of
    from fkd_helpers.train.distributed import start_processes, started_as

    rank, processes, _ = started_as()
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # the first one speaks for all
    if processes > 1 or options.devices == 1:
        return False
    try:
        start_processes(options.arguments, options.devices)
    except InputError as error:
        done = len(history_of(folder))
        kept = f"; the checkpoint of epoch {done} is kept, the same command goes on there" if done else ""
        raise InputError(f"{error}{kept}") from None
    return True
