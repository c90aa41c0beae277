"""`check`: what is installed and present, and the next step where something misses."""


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("check", help="say what is installed and present, and the next step where it misses")
    parser.add_argument("--no-camera", action="store_true", help="leave the camera alone")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.course.check import check

    return 0 if check(camera=not options.no_camera) else 1
