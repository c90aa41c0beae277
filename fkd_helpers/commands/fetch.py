"""`fetch`: download the real 68-point set."""


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("fetch", help="download the real 68-point set; continued, every file checked")
    parser.add_argument("--out", metavar="DIR", help="default: ytf in $FKD_DATA_DIR or in data/")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.data.download import fetch

    fetch(options.out)
    return 0
