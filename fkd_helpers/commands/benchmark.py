"""`benchmark`: measure speed."""

from pathlib import Path

from fkd_helpers.errors import InputError


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("benchmark", help="measure speed here, beside the naive way")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that each median is taken over (15)")
    parser.add_argument("--out", metavar="DIR", help="where the record goes (default: printed only)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.benchmark import run as measure

    if options.rounds < 1:
        raise InputError(f"--rounds: expected at least 1, got {options.rounds}")
    measure(rounds=options.rounds, folder=Path(options.out) if options.out else None)
    return 0
