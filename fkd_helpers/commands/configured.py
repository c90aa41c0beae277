"""What every training subcommand takes: a config, a folder, and each field of the config as an option."""

import argparse
import dataclasses

from fkd_helpers.config import RunConfig, as_yaml, load_config


def add_training_options(parser: argparse.ArgumentParser, *, config: str) -> None:
    """Declare them; config: the name of the one that is taken where none is given."""
    parser.add_argument("--config", default=config, help=f"YAML file, or the name of one of ours ({config})")
    parser.add_argument("--out", metavar="DIR", help="checkpoints, weights and record (default: runs/NAME)")
    parser.add_argument("--print-config", action="store_true", help="print the whole configuration and stop")
    for field in dataclasses.fields(RunConfig):
        default = f"{field.type.__name__}, {field.default!r} where the config does not say"
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, help=default)


def config_of(options: argparse.Namespace) -> RunConfig | None:
    """Return the config that the options ask for; None when it was to be printed, and was.

    Raises:
        InputError: no such config, or a value that it does not allow.
    """
    chosen = {field.name: getattr(options, field.name) for field in dataclasses.fields(RunConfig)}
    config = load_config(options.config, **{key: value for key, value in chosen.items() if value is not None})
    if options.print_config:
        print(as_yaml(config), end="")
        return None
    return config
