"""The command line, `python -m fkd_helpers SUBCOMMAND`: it parses and calls."""

import argparse
import errno
import os
import sys
import warnings

from fkd_helpers.commands import (
    check,
    emotions,
    evaluate,
    experiments,
    export,
    expressions,
    fetch,
    kaggle,
    live,
    predict,
    train,
)
from fkd_helpers.core.errors import InputError

COMMANDS = (
    check, predict, live, train, experiments, evaluate, emotions, fetch, kaggle, expressions,
    export,
)  # fmt: skip
RESUMABLE = ("train", "fetch", "experiments", "kaggle", "expressions")
DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EEXIST)  # for the user to mend


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; return the exit code: 0, 1 where `check` found a fault, 2 for bad input, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    options.arguments = arguments
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal or pipe cannot spell ends nothing
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            code = options.run(options) or 0
            sys.stdout.flush()
            return code
    except InputError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` has read enough; nothing is left to be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in DISK:
            raise
        print(f"{options.command}: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        resumable = options.command in RESUMABLE or getattr(options, "parquet", None)
        goes_on = ", the same command goes on" if resumable else ""
        print(f"{options.command}: interrupted; what was finished is kept{goes_on}", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):  # one line; argparse would print its whole usage first
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("python -m fkd_helpers", description="Facial keypoints, hands on.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="SUBCOMMAND")
    for module in COMMANDS:
        module.add(commands)
    return parser
