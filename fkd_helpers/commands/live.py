"""`live`: faces and emotions of a camera, a film, a folder or the puppet."""

from dataclasses import fields


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("live", help="follow faces and emotions in a camera, a film, a folder or the puppet")
    parser.add_argument("--source", default="puppet", metavar="SOURCE",
                        help="puppet (default), a camera, film (path or URL) or folder of pictures")  # fmt: skip
    parser.add_argument("--show", action="store_true", help="show it in a window, at its own speed; q ends it")
    parser.add_argument("--record", metavar="MP4", help="write what is seen to a new file, and its summary beside it")
    parser.add_argument("--max-seconds", type=float, metavar="S", help="end after so many seconds of the source")
    parser.add_argument("--log", metavar="JSON", help="write a summary of the run")
    parser.add_argument("--max-fps", type=float, metavar="N", help="leave out frames that come faster")
    parser.add_argument("--emotion", metavar="WHICH", help="rules (default): negative, neutral, positive; expressions: "
                        "eight of them, valence and arousal, by a network; or none")  # fmt: skip
    parser.add_argument("--smooth", type=float, help="rules: share of an emotion that stays for 1/30 s (0.4)")
    parser.add_argument("--emotion-hold", dest="hold", type=float, metavar="S",
                        help="rules: change the label once another one leads for S seconds (0.25)")  # fmt: skip
    parser.add_argument("--calm", type=float, metavar="S",
                        help="expressions: average over S seconds, and let another one lead as long (0.5)")  # fmt: skip
    parser.add_argument("--filter", metavar="NAME", help="put a filter on every face, several with commas between")
    parser.add_argument("--device", help="cpu (default), cuda or mps")
    parser.add_argument("--model", help="a model we ship, or a path to .onnx or .safetensors")
    parser.add_argument("--detector", help="haar (default), or none: each picture is a face")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.live.command import run as run_live
    from fkd_helpers.live.settings import LiveSettings

    given = {each.name: getattr(options, each.name) for each in fields(LiveSettings)}
    settings = LiveSettings(**{name: value for name, value in given.items() if value is not None})
    return run_live(settings, source=options.source, show=options.show, record=options.record,
                    max_seconds=options.max_seconds, log=options.log)  # fmt: skip
