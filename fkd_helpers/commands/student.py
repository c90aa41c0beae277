"""`student`: the course without outputs and solutions, for a teacher to hand out."""


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("student", help="write a copy of the course without outputs and solutions")
    parser.add_argument("folder", metavar="DIR", help="a folder that is new or empty")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.course.student_copy import student_copy

    folder = student_copy(options.folder)
    print(f"{len(list(folder.glob('notebooks/*.ipynb')))} notebooks for students in {folder}")
    return 0
