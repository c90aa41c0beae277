"""`benchmark`: measure speed."""

from pathlib import Path

from fkd_helpers.core.errors import InputError


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("benchmark", help="measure speed here, beside the naive way")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that each median is taken over (15)")
    parser.add_argument("--scaling", action="store_true", help="two processes that train one network, beside one")
    parser.add_argument("--ray", action="store_true", help="the small grid on Ray, beside one run after the other")
    parser.add_argument("--out", metavar="DIR", help="where the record goes (default: printed only)")
    parser.set_defaults(run=run)


def run(options) -> int:
    if options.rounds < 1:
        raise InputError(f"--rounds: expected at least 1, got {options.rounds}")
    folder = Path(options.out) if options.out else None
    if options.scaling or options.ray:
        from fkd_helpers.course import benchmark_scale

        if options.scaling:
            benchmark_scale.scaling(rounds=min(options.rounds, 3), folder=folder)
        if options.ray:
            benchmark_scale.ray_grid(folder=folder)
        return 0
    from fkd_helpers.course.benchmark import run as measure

    measure(rounds=options.rounds, folder=folder)
    return 0
